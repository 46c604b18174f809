// Memory that user space maps, too (test/mapped-array.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct counter {
  __u64 packets;
  __u32 limits[2];
  char name[4];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 3);
  __uint(map_flags, BPF_F_MMAPABLE);
  __type(key, __u32);
  __type(value, struct counter);
} counters SEC(".maps");

// Each value takes 8 bytes.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2000);
  __uint(map_flags, BPF_F_MMAPABLE);
  __type(key, __u32);
  __type(value, __u32);
} numbers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 3);
  __type(key, __u32);
  __type(value, __u32);
} plain SEC(".maps");

// Counts under key 1, and says what it found as the limit there.
SEC("tc")
int count(struct __sk_buff* skb) {
  __u32 key = 1;
  struct counter* counter = bpf_map_lookup_elem(&counters, &key);
  if (!counter) return -1;
  counter->packets++;
  counter->name[0] = 'x';
  return counter->limits[1];
}

char LICENSE[] SEC("license") = "GPL";
