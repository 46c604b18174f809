// Drops IPv4 packets from networks in a list, and counts them for each network.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct network {
  __u32 length;
  __u32 address;
};

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 1 << 20);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct network);
  /* A __u64 would not be aligned behind an IPv4 address, and arm64 cannot add to it atomically. */
  __type(value, __u32);
} blocked SEC(".maps");

SEC("xdp")
int filter(struct xdp_md* ctx) {
  struct ethhdr* eth = (void*)(long)ctx->data;
  struct iphdr* ip = (void*)(eth + 1);
  if ((void*)(ip + 1) > (void*)(long)ctx->data_end || eth->h_proto != bpf_htons(0x0800)) return XDP_PASS;
  struct network from = {32, ip->saddr};
  __u32* dropped = bpf_map_lookup_elem(&blocked, &from);
  if (!dropped) return XDP_PASS;
  __sync_fetch_and_add(dropped, 1);
  return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
