// Three versions of a program whose map has other values in each (test/objects/migrate.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

VALUE;

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, value_t);
} counts SEC(".maps");

SEC("tc")
int count(struct __sk_buff* skb) {
  __u32 key = 7;
  value_t* found = bpf_map_lookup_elem(&counts, &key);
  if (found) ++*(__u64*)COUNT(found);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
