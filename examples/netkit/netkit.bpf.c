// What leaves a container by its end of a netkit device: IPv4 to one address, and nothing else.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NETKIT_NEXT -1
#define NETKIT_DROP 2

const volatile __u32 allowed;
__u64 sent, dropped;

SEC("netkit/peer")
int leave(struct __sk_buff* skb) {
  __u32 to = 0;
  // A netkit device may have frames with Ethernet's header or without: both have one of the network.
  bool may =
      skb->protocol == bpf_htons(0x0800) &&
      !bpf_skb_load_bytes_relative(skb, offsetof(struct iphdr, daddr), &to, sizeof(to), BPF_HDR_START_NET) &&
      bpf_ntohl(to) == allowed;
  __sync_fetch_and_add(may ? &sent : &dropped, 1);
  return may ? NETKIT_NEXT : NETKIT_DROP;
}

char LICENSE[] SEC("license") = "GPL";
