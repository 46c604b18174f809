// Packets: packed headers, over-aligned counters, keys with unions.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct __attribute__((packed)) pkt {
  struct ethhdr eth;
  struct iphdr ip;
  struct tcphdr tcp;
  u8 payload[0];
};

struct stats {
  u64 packets, bytes;
} __attribute__((aligned(64)));

struct flow {
  union {
    struct in6_addr a6;
    __be32 a4;
  };
  __be16 port;
  u8 proto;
  u8 : 8;
};

struct {
  __uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
  __uint(max_entries, 64);
  __type(key, struct flow);
  __type(value, struct stats);
} flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 4);
  __type(key, u32);
  __type(value, struct bpf_devmap_val);
} dev SEC(".maps");
struct pkt* keep_pkt;
const volatile struct flow drop = {.port = 0x5000};

SEC("xdp") int count(struct xdp_md* ctx) {
  struct flow f = {};
  void *d = (void*)(long)ctx->data, *e = (void*)(long)ctx->data_end;
  struct pkt* p = d;
  if ((void*)(p + 1) > e) return XDP_PASS;
  f.a4 = p->ip.saddr;
  f.port = p->tcp.source;
  f.proto = p->ip.protocol;
  if (f.port == drop.port) return XDP_DROP;
  struct stats z = {}, *s = bpf_map_lookup_elem(&flows, &f);
  if (!s) {
    bpf_map_update_elem(&flows, &f, &z, 0);
    s = bpf_map_lookup_elem(&flows, &f);
  }
  if (s) {
    s->packets++;
    s->bytes += e - d;
  }
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
