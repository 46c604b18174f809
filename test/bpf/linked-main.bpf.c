// One half of an object that libbpf's linker puts together (test/linker.test.ts). The other is
// linked-library.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

extern int twice(int number);
extern int factor;

extern struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} results SEC(".maps");

SEC("tc")
int calculate(struct __sk_buff* skb) {
  __u32 key = 1;
  __u64* result = bpf_map_lookup_elem(&results, &key);
  if (!result) return -1;
  *result = twice(skb->len) * factor;
  return *result;
}

char LICENSE[] SEC("license") = "GPL";
