// The verifier rejects it after following a long loop: its log has megabytes.
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
  __u64 sum = 0;
#pragma clang loop unroll(disable)
  for (int i = 0; i < 10000; i++) sum += i ^ (__u64)bpf_get_smp_processor_id();
  __u32 key = 1;
  __u64* value = bpf_map_lookup_elem(&counts, &key);
  return *value + sum;
}

char LICENSE[] SEC("license") = "GPL";
