// Allows the processes of a cgroup to connect to one port only.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

const volatile __u16 allowed_port = 443;
__u64 allowed, refused;

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr* ctx) {
  bool may = ctx->user_port == bpf_htons(allowed_port);
  __sync_fetch_and_add(may ? &allowed : &refused, 1);
  return may;
}

char LICENSE[] SEC("license") = "GPL";
