// Lets only IPv4 packets to one address leave a container through its netkit device.
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
  // Packets of a netkit device may have an Ethernet header or not; all have a network header.
  bool may =
      skb->protocol == bpf_htons(0x0800) &&
      !bpf_skb_load_bytes_relative(skb, offsetof(struct iphdr, daddr), &to, sizeof(to), BPF_HDR_START_NET) &&
      bpf_ntohl(to) == allowed;
  __sync_fetch_and_add(may ? &sent : &dropped, 1);
  return may ? NETKIT_NEXT : NETKIT_DROP;
}

char LICENSE[] SEC("license") = "GPL";
