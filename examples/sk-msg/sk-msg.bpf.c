// Moves what a server on 127.0.0.1 sends directly into the socket of the client, without TCP.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2

const volatile __u32 port;
__u64 handed_over;

struct {
  __uint(type, BPF_MAP_TYPE_SOCKHASH);
  __uint(max_entries, 1024);
  __type(key, __u64);
  __type(value, __u64);
} sockets SEC(".maps");

// The key of a socket: its own port and that of its peer. It is one number, because Linux 5.10 without
// CAP_PERFMON refuses a struct that is written to the stack in two steps.
static __u64 key_of(__u32 local, __u32 remote) { return (__u64)local << 32 | remote; }

// Both sockets of each connection to the server. A socket that is closed leaves the map by itself.
SEC("sockops")
int established(struct bpf_sock_ops* ctx) {
  __u32 local = ctx->local_port, remote = bpf_ntohl(ctx->remote_port);
  __u64 key = key_of(local, remote);
  if (ctx->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB && ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
    return 1;
  if (ctx->family != AF_INET || ctx->remote_ip4 != bpf_htonl(0x7f000001)) return 1;
  if (local == port || remote == port) bpf_sock_hash_update(ctx, &sockets, &key, BPF_ANY);
  return 1;
}

SEC("sk_msg")
int hand_over(struct sk_msg_md* msg) {
  __u64 other = key_of(bpf_ntohl(msg->remote_port), msg->local_port);
  __u32 size = msg->size;
  // The client's socket is in the map before the server's socket exists, so nothing has gone through TCP that
  // could be overtaken. In the other direction that is not so.
  if (msg->local_port != port) return SK_PASS;
  // If the client is not in the map, because it is in another cgroup, the data goes through TCP.
  if (bpf_msg_redirect_hash(msg, &sockets, &other, BPF_F_INGRESS) == SK_PASS)
    __sync_fetch_and_add(&handed_over, size);
  return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
