// Maps of all kinds (test/map*.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct point {
  int x;
  int y;
  char label[16];
};

struct prefix {
  __u32 bits;
  unsigned char address[4];
};

#define MAP(map_name, map_type, entries, key_type, value_type) \
  struct {                                                     \
    __uint(type, map_type);                                    \
    __uint(max_entries, entries);                              \
    __type(key, key_type);                                     \
    __type(value, value_type);                                 \
  } map_name SEC(".maps")

MAP(points, BPF_MAP_TYPE_HASH, 16, __u32, struct point);
MAP(by_point, BPF_MAP_TYPE_HASH, 16, struct point, __u64);
MAP(numbers, BPF_MAP_TYPE_ARRAY, 4, __u32, __u64);
MAP(recent, BPF_MAP_TYPE_LRU_HASH, 64, __u32, __u32);
MAP(cpu_hash, BPF_MAP_TYPE_PERCPU_HASH, 8, __u32, __u32);
MAP(cpu_array, BPF_MAP_TYPE_PERCPU_ARRAY, 2, __u32, struct point);
MAP(cpu_recent, BPF_MAP_TYPE_LRU_PERCPU_HASH, 64, __u32, __u64);

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 16);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct prefix);
  __type(value, __u32);
} routes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, 4);
  __type(value, __u32);
} queue SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK);
  __uint(max_entries, 4);
  __type(value, __u32);
} stack SEC(".maps");

// The kernel takes no types for it.
struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u32);
} perf_events SEC(".maps");

// Sizes only: bytes.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8);
  __uint(key_size, 3);
  __uint(value_size, 5);
} bytes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

// Each run adds 1 to what the CPU it runs on has under key 0, and puts the CPU's number into the label's
// first byte.
SEC("tc")
int count(struct __sk_buff* skb) {
  __u32 key = 0;
  struct point* point = bpf_map_lookup_elem(&cpu_array, &key);
  if (!point) return -1;
  point->x++;
  point->label[0] = 'A' + bpf_get_smp_processor_id();
  return bpf_get_smp_processor_id();
}

char LICENSE[] SEC("license") = "GPL";
