// Packets and sockets (test/attach/{xdp,tcx,tc,cgroup,netns,netfilter,sockmap,socket}.test.ts). Each program
// counts by name.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

__u64 runs[4];
#define COUNT(i) __sync_fetch_and_add(&runs[i], 1)

// The order in which programs that note themselves ran for one packet, a digit each.
__u64 order;

SEC("?xdp")
int xdp_pass(struct xdp_md* ctx) {
  COUNT(0);
  return XDP_PASS;
}

SEC("?xdp")
int xdp_other(struct xdp_md* ctx) {
  COUNT(1);
  return XDP_PASS;
}

SEC("?tc")
int tc_first(struct __sk_buff* skb) {
  COUNT(0);
  order = order * 10 + 1;
  return -1;  // TCX_NEXT, TC_ACT_UNSPEC
}

SEC("?tc")
int tc_second(struct __sk_buff* skb) {
  COUNT(1);
  order = order * 10 + 2;
  return -1;
}

SEC("?tc")
int tc_third(struct __sk_buff* skb) {
  COUNT(2);
  order = order * 10 + 3;
  return -1;
}

SEC("?tcx/egress")
int tcx_egress(struct __sk_buff* skb) {
  COUNT(3);
  return -1;
}

SEC("?netkit/primary")
int netkit_primary(struct __sk_buff* skb) {
  COUNT(0);
  return -1;
}

SEC("?netkit/primary")
int netkit_other(struct __sk_buff* skb) {
  COUNT(1);
  return -1;
}

SEC("?cgroup_skb/egress")
int cgroup_egress(struct __sk_buff* skb) {
  COUNT(0);
  order = order * 10 + 1;
  return 1;
}

SEC("?cgroup_skb/egress")
int cgroup_egress_second(struct __sk_buff* skb) {
  COUNT(1);
  order = order * 10 + 2;
  return 1;
}

// Nobody in the cgroup may connect to port 9.
SEC("?cgroup/connect4")
int no_discard(struct bpf_sock_addr* ctx) {
  COUNT(0);
  return ctx->user_port != bpf_htons(9);
}

SEC("?netfilter")
int nf_accept(struct bpf_nf_ctx* ctx) {
  COUNT(0);
  return 1;  // NF_ACCEPT
}

// No IPv4 packet that is as long as a datagram of 3 bytes.
SEC("?netfilter")
int nf_drop(struct bpf_nf_ctx* ctx) {
  if (ctx->skb->len != 20 + 8 + 3) return 1;
  COUNT(0);
  return 0;  // NF_DROP
}

// Of each datagram 3 bytes: behind the header of UDP, which the filter sees.
SEC("?socket")
int cut(struct __sk_buff* skb) {
  COUNT(0);
  return 8 + 3;
}

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} sockets SEC(".maps");

// Whatever port of the machine a connection is for, it gets to sockets[0].
SEC("?sk_lookup")
int any_port(struct bpf_sk_lookup* ctx) {
  COUNT(0);
  if (ctx->local_port != 7) return SK_PASS;
  __u32 zero = 0;
  struct bpf_sock* sk = bpf_map_lookup_elem(&sockets, &zero);
  if (!sk) return SK_PASS;
  bpf_sk_assign(ctx, sk, 0);
  bpf_sk_release(sk);
  return SK_PASS;
}

// What the sockets of the map receive goes back where it came from.
SEC("?sk_skb/stream_verdict")
int echo(struct __sk_buff* skb) {
  COUNT(0);
  return bpf_sk_redirect_map(skb, &sockets, 0, 0);
}

SEC("?sk_skb/stream_verdict")
int any_verdict(struct __sk_buff* skb) { return SK_PASS; }

// How much of what came is a message: all of it.
SEC("?sk_skb/stream_parser")
int parse(struct __sk_buff* skb) {
  COUNT(1);
  return skb->len;
}

// What the sockets of the map send.
SEC("?sk_msg")
int on_message(struct sk_msg_md* msg) {
  COUNT(2);
  return SK_PASS;
}

// Finds nothing in any packet.
SEC("?flow_dissector")
int dissect(struct __sk_buff* skb) {
  COUNT(0);
  return BPF_OK;
}

SEC("?tc")
int ask_for_hash(struct __sk_buff* skb) {
  bpf_set_hash_invalid(skb);
  bpf_get_hash_recalc(skb);
  COUNT(1);
  return 0;  // TC_ACT_OK
}

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u32);
} jumps SEC(".maps");

SEC("?xdp")
int before_jump(struct xdp_md* ctx) {
  COUNT(0);
  bpf_tail_call(ctx, &jumps, 1);
  COUNT(2);
  return XDP_DROP;
}

SEC("?xdp")
int after_jump(struct xdp_md* ctx) {
  COUNT(1);
  return XDP_PASS;
}

struct {
  __uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} listeners SEC(".maps");

const volatile __u32 chosen;

SEC("?sk_reuseport")
int choose(struct sk_reuseport_md* ctx) {
  COUNT(0);
  __u32 key = chosen;
  return bpf_sk_select_reuseport(ctx, &listeners, &key, 0) == 0 ? SK_PASS : SK_DROP;
}

char LICENSE[] SEC("license") = "GPL";
