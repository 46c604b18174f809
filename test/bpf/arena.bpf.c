// An arena that a program writes into, without casts of address spaces (test/mapped-array.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARENA);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 4);
} arena SEC(".maps");

char LICENSE[] SEC("license") = "GPL";
