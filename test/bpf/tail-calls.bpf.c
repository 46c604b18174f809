// Tail calls through program arrays (test/prog-array.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

int two(struct __sk_buff* skb);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(values, int(struct __sk_buff*));
} jumps SEC(".maps") = {.values = {[2] = &two}};

// Declared as numbers.
struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} plain SEC(".maps");

SEC("tc")
int one(struct __sk_buff* skb) { return 101; }

SEC("tc")
int two(struct __sk_buff* skb) { return 102; }

SEC("xdp")
int other(struct xdp_md* ctx) { return XDP_PASS; }

// The mark of the packet says where to.
SEC("tc")
int jump(struct __sk_buff* skb) {
  bpf_tail_call(skb, &jumps, skb->cb[0]);
  return 1;
}

SEC("tc")
int jump_plain(struct __sk_buff* skb) {
  bpf_tail_call(skb, &plain, 0);
  return 1;
}

char LICENSE[] SEC("license") = "GPL";
