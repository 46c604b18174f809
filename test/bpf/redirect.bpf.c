// Maps that packets are sent through (test/redirect-maps.test.ts). Only UDP to the port of the test counts.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct bpf_devmap_val);
} ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u32);
} ports_by_name SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_CPUMAP);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, struct bpf_cpumap_val);
} cpus SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} xsks SEC(".maps");

__u64 redirected, in_devmap, in_cpumap, arrived;
__u32 ran_on;
// The map of each kind that the test wants: 0 devmap, 1 devmap_hash, 2 cpumap.
__u32 way;

static int is_ours(struct xdp_md* ctx) {
  void* data = (void*)(long)ctx->data;
  void* end = (void*)(long)ctx->data_end;
  struct ethhdr* eth = data;
  struct iphdr* ip = (void*)(eth + 1);
  struct udphdr* udp = (void*)(ip + 1);
  if ((void*)(udp + 1) > end || eth->h_proto != bpf_htons(0x0800) || ip->protocol != 17) return 0;
  return udp->dest == bpf_htons(4000);
}

SEC("?xdp")
int redirect(struct xdp_md* ctx) {
  if (!is_ours(ctx)) return XDP_PASS;
  __sync_fetch_and_add(&redirected, 1);
  if (way == 0) return bpf_redirect_map(&ports, 1, XDP_DROP);
  if (way == 1) return bpf_redirect_map(&ports_by_name, 77, XDP_DROP);
  return bpf_redirect_map(&cpus, 0, XDP_DROP);
}

SEC("?xdp/devmap")
int on_port(struct xdp_md* ctx) {
  __sync_fetch_and_add(&in_devmap, 1);
  return XDP_PASS;
}

SEC("?xdp/cpumap")
int on_cpu(struct xdp_md* ctx) {
  ran_on = bpf_get_smp_processor_id();
  __sync_fetch_and_add(&in_cpumap, 1);
  return XDP_PASS;
}

// 4 (XDP_REDIRECT) where there is a socket, else 2 (XDP_PASS).
SEC("?xdp")
int to_socket(struct xdp_md* ctx) { return bpf_redirect_map(&xsks, 1, XDP_PASS); }

SEC("?xdp")
int arrive(struct xdp_md* ctx) {
  if (is_ours(ctx)) __sync_fetch_and_add(&arrived, 1);
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
