// Counts the calls of many kernel functions.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16384);
  __type(key, __u64);
  __type(value, __u64);
} calls SEC(".maps");

SEC("kprobe.multi")
int on_call(struct pt_regs* ctx) {
  __u64 address = bpf_get_func_ip(ctx), zero = 0, *count;
  bpf_map_update_elem(&calls, &address, &zero, BPF_NOEXIST);
  count = bpf_map_lookup_elem(&calls, &address);
  if (count) __sync_fetch_and_add(count, 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
