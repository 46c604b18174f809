// The two programs for the gate of an interface.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

__u64 passed, dropped;

SEC("xdp")
int open_gate(struct xdp_md* ctx) {
  __sync_fetch_and_add(&passed, 1);
  return XDP_PASS;
}

// Drops UDP over IPv4.
SEC("xdp")
int shut_gate(struct xdp_md* ctx) {
  struct ethhdr* eth = (void*)(long)ctx->data;
  struct iphdr* ip = (void*)(eth + 1);
  if ((void*)(ip + 1) > (void*)(long)ctx->data_end || eth->h_proto != bpf_htons(0x0800)) return XDP_PASS;
  bool may = ip->protocol != IPPROTO_UDP;
  __sync_fetch_and_add(may ? &passed : &dropped, 1);
  return may ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
