// A map with an attribute that libbpf does not know (test/object-options.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
  __uint(colour, 3);
} map SEC(".maps");

char LICENSE[] SEC("license") = "GPL";
