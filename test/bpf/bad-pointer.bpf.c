// The verifier rejects it: the value may not be there.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

SEC("raw_tp/sched_process_exec")
int on_exec(void* context) {
  __u32 key = 1;
  __u64* value = bpf_map_lookup_elem(&counts, &key);
  return *value;
}

char LICENSE[] SEC("license") = "GPL";
