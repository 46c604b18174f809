// A firewall rule that drops UDP packets to one port.
// This file declares the kfuncs that it calls, because their prototypes differ between kernels.
#define BPF_NO_KFUNC_PROTOTYPES
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NF_DROP 0
#define NF_ACCEPT 1

extern int bpf_dynptr_from_skb(struct __sk_buff* skb, __u64 flags, struct bpf_dynptr* ptr) __ksym;
extern void* bpf_dynptr_slice(const struct bpf_dynptr* ptr, __u64 offset, void* buffer, __u64 size) __ksym;

const volatile __u16 port;
__u64 accepted, dropped;

SEC("netfilter")
int no_udp(struct bpf_nf_ctx* ctx) {
  struct bpf_dynptr packet;
  // Must be initialized: only programs with CAP_PERFMON may read uninitialized stack.
  struct iphdr ip_buffer = {}, *ip;
  struct udphdr udp_buffer = {}, *udp;
  if (bpf_dynptr_from_skb((struct __sk_buff*)ctx->skb, 0, &packet)) return NF_ACCEPT;
  ip = bpf_dynptr_slice(&packet, 0, &ip_buffer, sizeof(ip_buffer));
  if (!ip || ip->protocol != IPPROTO_UDP) return NF_ACCEPT;
  udp = bpf_dynptr_slice(&packet, ip->ihl * 4, &udp_buffer, sizeof(udp_buffer));
  bool may = !udp || udp->dest != bpf_htons(port);
  __sync_fetch_and_add(may ? &accepted : &dropped, 1);
  return may ? NF_ACCEPT : NF_DROP;
}

char LICENSE[] SEC("license") = "GPL";
