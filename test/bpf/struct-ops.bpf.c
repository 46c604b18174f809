// Two congestion controls for TCP by one name (test/struct-ops.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("struct_ops")
__u32 BPF_PROG(ssthresh, struct sock* sk) { return 2; }

SEC("struct_ops")
__u32 BPF_PROG(undo_cwnd, struct sock* sk) { return 2; }

SEC("struct_ops")
void BPF_PROG(cong_avoid, struct sock* sk, __u32 ack, __u32 acked) {}

SEC(".struct_ops.link")
struct tcp_congestion_ops one = {
    .ssthresh = (void*)ssthresh,
    .undo_cwnd = (void*)undo_cwnd,
    .cong_avoid = (void*)cong_avoid,
    .name = "libbpf_node",
};

SEC(".struct_ops.link")
struct tcp_congestion_ops two = {
    .ssthresh = (void*)ssthresh,
    .undo_cwnd = (void*)undo_cwnd,
    .cong_avoid = (void*)cong_avoid,
    .name = "libbpf_node",
};

char LICENSE[] SEC("license") = "GPL";
