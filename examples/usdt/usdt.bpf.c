// Counts how often each process reaches a static probe, and keeps the first argument.
#include "vmlinux.h"

#include <bpf/usdt.bpf.h>

struct visitor {
  char comm[16];
  __u64 count;
  __s64 last;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, struct visitor);
} visitors SEC(".maps");

SEC("usdt")
int BPF_USDT(on_probe, long first) {
  __u32 pid = bpf_get_current_pid_tgid() >> 32;
  struct visitor none = {}, *seen;
  bpf_get_current_comm(none.comm, sizeof(none.comm));
  bpf_map_update_elem(&visitors, &pid, &none, BPF_NOEXIST);
  seen = bpf_map_lookup_elem(&visitors, &pid);
  if (!seen) return 0;
  __sync_fetch_and_add(&seen->count, 1);
  seen->last = first;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
