// What linked-main uses.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

int factor = 10;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} results SEC(".maps");

__attribute__((noinline)) int twice(int number) { return number * 2; }

char LICENSE[] SEC("license") = "GPL";
