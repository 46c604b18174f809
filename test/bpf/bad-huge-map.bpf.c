// More than any machine has.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 0xffffffff);
  __type(key, __u32);
  __uint(value_size, 0x7fffffff);
} huge SEC(".maps");

SEC("raw_tp/sched_process_exec")
int on_exec(void* context) {
  __u32 key = 0;
  return bpf_map_lookup_elem(&huge, &key) != 0;
}

char LICENSE[] SEC("license") = "GPL";
