// A socket filter that calls a separate program for each kind of datagram, through an array of programs that
// is indexed with the first byte.
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
  // Only reached if there is no program for it. The socket gets as many bytes of the datagram as are
  // returned.
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
