// Reports the host names that processes look up with the C library.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct lookup {
  __u32 pid;
  char comm[16];
  char host[64];
};
struct lookup* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} lookups SEC(".maps");

SEC("uprobe")
int BPF_UPROBE(on_getaddrinfo, const char* host) {
  struct lookup* lookup = bpf_ringbuf_reserve(&lookups, sizeof(*lookup), 0);
  if (!lookup) return 0;
  lookup->pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(lookup->comm, sizeof(lookup->comm));
  if (bpf_probe_read_user_str(lookup->host, sizeof(lookup->host), host) < 0) lookup->host[0] = 0;
  bpf_ringbuf_submit(lookup, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
