// Sends connections to a range of ports to one socket, which listens on another port.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

const volatile __u32 first_port, last_port;
__u64 served;

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} server SEC(".maps");

SEC("sk_lookup")
int pick(struct bpf_sk_lookup* ctx) {
  __u32 zero = 0;
  if (ctx->protocol != IPPROTO_TCP || ctx->local_port < first_port || ctx->local_port > last_port)
    return SK_PASS;
  struct bpf_sock* sk = bpf_map_lookup_elem(&server, &zero);
  if (!sk) return SK_PASS;
  if (bpf_sk_assign(ctx, sk, 0) == 0) __sync_fetch_and_add(&served, 1);
  bpf_sk_release(sk);
  return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
