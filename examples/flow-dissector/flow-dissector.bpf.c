// Distinguishes flows by their addresses alone: all packets between two hosts are one flow, including
// fragments.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

__u64 dissected;

SEC("flow_dissector")
int by_address(struct __sk_buff* skb) {
  struct bpf_flow_keys* keys = skb->flow_keys;
  struct iphdr ip;
  // Leaves other packets to the kernel (since Linux 6.1; before, all of them are one flow).
  if (keys->n_proto != bpf_htons(0x0800)) return BPF_FLOW_DISSECTOR_CONTINUE;
  if (bpf_skb_load_bytes(skb, keys->nhoff, &ip, sizeof(ip))) return BPF_DROP;
  keys->addr_proto = 0x0800;
  keys->ipv4_src = ip.saddr;
  keys->ipv4_dst = ip.daddr;
  keys->ip_proto = ip.protocol;
  keys->thoff = keys->nhoff + ip.ihl * 4;
  // sport and dport stay 0.
  __sync_fetch_and_add(&dissected, 1);
  return BPF_OK;
}

char LICENSE[] SEC("license") = "GPL";
