// Counts the packets that arrive at an interface by protocol, before the network stack sees them.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 256);
  __type(key, __u16);
  __type(value, __u64);
} frames SEC(".maps");

SEC("xdp")
int count(struct xdp_md* ctx) {
  struct ethhdr* eth = (void*)(long)ctx->data;
  if ((void*)(eth + 1) > (void*)(long)ctx->data_end) return XDP_PASS;
  __u16 protocol = bpf_ntohs(eth->h_proto);
  __u64 one = 1, *number = bpf_map_lookup_elem(&frames, &protocol);
  if (number)
    ++*number;
  else
    bpf_map_update_elem(&frames, &protocol, &one, BPF_ANY);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
