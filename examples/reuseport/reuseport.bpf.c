// Selects the socket of a UDP port by the first byte of a datagram, as a connection id of QUIC would.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

__u64 given, refused;

struct {
  __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, __u64);
} sockets SEC(".maps");

SEC("sk_reuseport")
int by_first_byte(struct sk_reuseport_md* ctx) {
  __u8 first;
  if (bpf_skb_load_bytes(ctx, sizeof(struct udphdr), &first, sizeof(first))) return SK_DROP;
  __u32 key = first;
  bool is_known = bpf_sk_select_reuseport(ctx, &sockets, &key, 0) == 0;
  __sync_fetch_and_add(is_known ? &given : &refused, 1);
  return is_known ? SK_PASS : SK_DROP;
}

char LICENSE[] SEC("license") = "GPL";
