// Programs that the kernel takes or refuses by what is set before they are loaded
// (test/program-setters.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

// Of cgroup_sock_addr programs only those for IPv6 may read that.
SEC("?cgroup/connect4")
int reads_ip6(struct bpf_sock_addr* ctx) { return ctx->user_ip6[0] == 0; }

// Refused under BPF_F_STRICT_ALIGNMENT.
SEC("?tc")
int misaligned(struct __sk_buff* skb) {
  void* data = (void*)(long)skb->data;
  if (data + 16 > (void*)(long)skb->data_end) return 0;
  return *(__u32*)(data + 3);
}

// The type is only read where bpf_skb_load_bytes is allowed, whichever it is.
SEC("?socket")
int any_packet(struct __sk_buff* skb) { return skb->len > 100; }

char LICENSE[] SEC("license") = "GPL";
