// A socket's filter that leaves each kind of datagram to a program of its own: by its first byte, through an
// array of programs.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, __u32);
} handlers SEC(".maps");

__u64 greetings, orders, refused;

SEC("socket")
int dispatch(struct __sk_buff* skb) {
  __u8 kind;
  if (bpf_skb_load_bytes(skb, sizeof(struct udphdr), &kind, sizeof(kind)) == 0) {
    bpf_tail_call(skb, &handlers, kind);
  }
  // Here only when there is no program for it. Of the datagram the socket gets as many bytes as are returned.
  __sync_fetch_and_add(&refused, 1);
  return 0;
}

SEC("socket")
int greeting(struct __sk_buff* skb) {
  __sync_fetch_and_add(&greetings, 1);
  return skb->len;
}

SEC("socket")
int order(struct __sk_buff* skb) {
  __sync_fetch_and_add(&orders, 1);
  return skb->len;
}

char LICENSE[] SEC("license") = "GPL";
