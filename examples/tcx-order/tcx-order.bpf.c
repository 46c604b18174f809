// Two programs for one interface: the first marks packets to a port, the second counts the marked ones.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TCX_NEXT -1

const volatile __u16 port = 53;
__u64 marked;

SEC("tcx/egress")
int mark(struct __sk_buff* skb) {
  struct iphdr ip;
  struct udphdr udp;
  if (skb->protocol != bpf_htons(0x0800)) return TCX_NEXT;
  if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr), &ip, sizeof(ip))) return TCX_NEXT;
  if (ip.protocol != IPPROTO_UDP) return TCX_NEXT;
  if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + ip.ihl * 4, &udp, sizeof(udp))) return TCX_NEXT;
  if (udp.dest == bpf_htons(port)) skb->mark = 1;
  return TCX_NEXT;
}

SEC("tcx/egress")
int count(struct __sk_buff* skb) {
  if (skb->mark == 1) __sync_fetch_and_add(&marked, 1);
  return TCX_NEXT;
}

char LICENSE[] SEC("license") = "GPL";
