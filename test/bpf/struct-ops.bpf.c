// Two congestion controls for TCP by one name (test/struct-ops.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

// How often sockets came to each of the two.
__u64 initialized[2];

SEC("struct_ops")
void BPF_PROG(first_init, struct sock* sk) { __sync_fetch_and_add(&initialized[0], 1); }

SEC("struct_ops")
void BPF_PROG(second_init, struct sock* sk) { __sync_fetch_and_add(&initialized[1], 1); }

SEC("struct_ops")
__u32 BPF_PROG(ssthresh, struct sock* sk) { return 2; }

SEC("struct_ops")
__u32 BPF_PROG(undo_cwnd, struct sock* sk) { return 2; }

SEC("struct_ops")
void BPF_PROG(cong_avoid, struct sock* sk, __u32 ack, __u32 acked) {}

SEC(".struct_ops.link")
struct tcp_congestion_ops one = {
    .init = (void*)first_init,
    .ssthresh = (void*)ssthresh,
    .undo_cwnd = (void*)undo_cwnd,
    .cong_avoid = (void*)cong_avoid,
    .name = "libbpf_node",
};

SEC(".struct_ops.link")
struct tcp_congestion_ops two = {
    .init = (void*)second_init,
    .ssthresh = (void*)ssthresh,
    .undo_cwnd = (void*)undo_cwnd,
    .cong_avoid = (void*)cong_avoid,
    .name = "libbpf_node",
};

char LICENSE[] SEC("license") = "GPL";
