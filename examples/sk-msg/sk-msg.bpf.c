// What a server on 127.0.0.1 sends goes from its socket into the client's, not through TCP.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2

const volatile __u32 port;
__u64 handed_over;

struct ends {
  __u32 local_port;
  __u32 remote_port;
};

struct {
  __uint(type, BPF_MAP_TYPE_SOCKHASH);
  __uint(max_entries, 1024);
  __type(key, struct ends);
  __type(value, __u64);
} sockets SEC(".maps");

// Both ends of each connection to the server. A socket that is closed leaves the map by itself.
SEC("sockops")
int established(struct bpf_sock_ops* ctx) {
  struct ends ends = {ctx->local_port, bpf_ntohl(ctx->remote_port)};
  if (ctx->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB && ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
    return 1;
  if (ctx->family != AF_INET || ctx->remote_ip4 != bpf_htonl(0x7f000001)) return 1;
  if (ends.local_port == port || ends.remote_port == port)
    bpf_sock_hash_update(ctx, &sockets, &ends, BPF_ANY);
  return 1;
}

SEC("sk_msg")
int hand_over(struct sk_msg_md* msg) {
  struct ends other = {bpf_ntohl(msg->remote_port), msg->local_port};
  __u32 size = msg->size;
  // The client's end is in the map before the server's is there. The other way round it is not, and what then
  // goes through TCP could be overtaken.
  if (msg->local_port != port) return SK_PASS;
  // A client of another cgroup is not in the map: that goes through TCP.
  if (bpf_msg_redirect_hash(msg, &sockets, &other, BPF_F_INGRESS) == SK_PASS)
    __sync_fetch_and_add(&handed_over, size);
  return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
