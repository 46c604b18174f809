#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct prefix {
  __u32 length;
  __u32 address;
};

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 2000000);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct prefix);
  __type(value, __u32);
} blocked SEC(".maps");

char LICENSE[] SEC("license") = "GPL";
