// Maps whose values are maps (test/map-of-maps.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct inner {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u32);
} inner_one SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(values, struct inner);
} outer SEC(".maps") = {.values = {&inner_one}};

// Does not say what its maps are like.
struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} outer_hash SEC(".maps");

// What user space has put under key 1 of the map in slot 1.
SEC("tc")
int through_outer(struct __sk_buff* skb) {
  __u32 slot = 1, key = 1;
  void* map = bpf_map_lookup_elem(&outer, &slot);
  __u32* value = map ? bpf_map_lookup_elem(map, &key) : 0;
  return value ? *value : -1;
}

char LICENSE[] SEC("license") = "GPL";
