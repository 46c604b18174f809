// Sends everything that the sockets of the map receive back to the sender, without going through user space.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_SOCKHASH);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u64);
} sockets SEC(".maps");

__u64 echoed;

SEC("sk_skb/stream_verdict")
int echo(struct __sk_buff* skb) {
  // The port of the peer identifies the socket.
  __u32 port = bpf_ntohl(skb->remote_port);
  __sync_fetch_and_add(&echoed, skb->len);
  return bpf_sk_redirect_hash(skb, &sockets, &port, 0);
}

char LICENSE[] SEC("license") = "GPL";
