// A congestion control for TCP whose parts the test chooses before load (test/struct-ops-values.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

int slow_connections = 0;
int fast_connections = 0;

SEC("struct_ops")
void BPF_PROG(slow_init, struct sock* sk) { __sync_fetch_and_add(&slow_connections, 1); }

// Loaded only where a map has it: the kernel refuses one that is for nothing.
SEC("?struct_ops")
void BPF_PROG(fast_init, struct sock* sk) { __sync_fetch_and_add(&fast_connections, 1); }

SEC("struct_ops")
__u32 BPF_PROG(ssthresh, struct sock* sk) { return 2; }

SEC("struct_ops")
__u32 BPF_PROG(undo_cwnd, struct sock* sk) { return 2; }

SEC("struct_ops")
void BPF_PROG(cong_avoid, struct sock* sk, __u32 ack, __u32 acked) {}

SEC("raw_tp/sys_enter")
int bystander(void* ctx) { return 0; }

SEC(".struct_ops.link")
struct tcp_congestion_ops my_ops = {
    .init = (void*)slow_init,
    .ssthresh = (void*)ssthresh,
    .undo_cwnd = (void*)undo_cwnd,
    .cong_avoid = (void*)cong_avoid,
    .name = "libbpf_slow",
};

char LICENSE[] SEC("license") = "GPL";
