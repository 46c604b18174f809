// map_extra, the number of a bloom filter's hash functions (Linux 5.16).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
  __uint(max_entries, 100);
  __uint(map_extra, 3);
  __type(value, __u32);
} seen SEC(".maps");

char LICENSE[] SEC("license") = "GPL";
