// Redirects all packets to the AF_XDP socket of their queue.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} sockets SEC(".maps");

SEC("xdp")
int redirect(struct xdp_md* context) { return bpf_redirect_map(&sockets, context->rx_queue_index, XDP_PASS); }

char LICENSE[] SEC("license") = "GPL";
