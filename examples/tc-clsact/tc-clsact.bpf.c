// Counts the bytes that leave through an interface, and drops packets beyond a limit.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

__u64 limit = ~0ULL;
__u64 sent, dropped;

SEC("tc")
int meter(struct __sk_buff* skb) {
  bool fits = sent + skb->len <= limit;
  __sync_fetch_and_add(fits ? &sent : &dropped, skb->len);
  return fits ? TC_ACT_OK : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
