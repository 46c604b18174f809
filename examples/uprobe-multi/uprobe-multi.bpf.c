// Counts the calls of several functions of a program or library.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} calls SEC(".maps");

SEC("uprobe.multi")
int on_call(struct pt_regs* ctx) {
  // The cookie says which function was called.
  __u32 index = bpf_get_attach_cookie(ctx);
  __u64* count = bpf_map_lookup_elem(&calls, &index);
  if (count) __sync_fetch_and_add(count, 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
