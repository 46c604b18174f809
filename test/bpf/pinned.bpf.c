// A map that asks to be pinned by its name, one that does not, two programs (test/pin.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
  __type(key, __u32);
  __type(value, __u64);
} shared SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} private SEC(".maps");

SEC("tc")
int count(struct __sk_buff* skb) {
  __u32 key = 0;
  __u64* one = bpf_map_lookup_elem(&shared, &key);
  __u64* two = bpf_map_lookup_elem(&private, &key);
  if (one) ++*one;
  if (two) ++*two;
  return 0;
}

SEC("socket")
int pass(struct __sk_buff* skb) { return -1; }

char LICENSE[] SEC("license") = "GPL";
