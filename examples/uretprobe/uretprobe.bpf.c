// Measures how long the C library takes to look up a host name, and reports the result.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct lookup {
  __u64 start_ns;
  __u64 took_ns;
  __u32 pid;
  __s32 result;
  char comm[16];
  char host[64];
};

// The look-up that is going on in each thread.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, __u64);
  __type(value, struct lookup);
} begun SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} lookups SEC(".maps");

SEC("uprobe")
int BPF_UPROBE(on_call, const char* host) {
  __u64 thread = bpf_get_current_pid_tgid();
  struct lookup lookup = {.start_ns = bpf_ktime_get_ns(), .pid = thread >> 32};
  bpf_get_current_comm(lookup.comm, sizeof(lookup.comm));
  if (bpf_probe_read_user_str(lookup.host, sizeof(lookup.host), host) < 0) lookup.host[0] = 0;
  bpf_map_update_elem(&begun, &thread, &lookup, BPF_ANY);
  return 0;
}

SEC("uretprobe")
int BPF_URETPROBE(on_return, int result) {
  __u64 thread = bpf_get_current_pid_tgid();
  struct lookup* lookup = bpf_map_lookup_elem(&begun, &thread);
  if (!lookup) return 0;
  lookup->took_ns = bpf_ktime_get_ns() - lookup->start_ns;
  lookup->result = result;
  bpf_ringbuf_output(&lookups, lookup, sizeof(*lookup), 0);
  bpf_map_delete_elem(&begun, &thread);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
