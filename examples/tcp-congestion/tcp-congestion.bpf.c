// A congestion control for TCP: Reno from the kernel, with counters for connections and losses.
// This file declares the kfuncs that it calls, because their prototypes differ between kernels.
#define BPF_NO_KFUNC_PROTOTYPES
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

extern __u32 tcp_reno_ssthresh(struct sock* sk) __ksym;
extern void tcp_reno_cong_avoid(struct sock* sk, __u32 ack, __u32 acked) __ksym;
extern __u32 tcp_reno_undo_cwnd(struct sock* sk) __ksym;

__u64 connections, losses;

SEC("struct_ops")
void BPF_PROG(init, struct sock* sk) { __sync_fetch_and_add(&connections, 1); }

SEC("struct_ops")
__u32 BPF_PROG(ssthresh, struct sock* sk) {
  __sync_fetch_and_add(&losses, 1);
  return tcp_reno_ssthresh(sk);
}

SEC("struct_ops")
void BPF_PROG(cong_avoid, struct sock* sk, __u32 ack, __u32 acked) { tcp_reno_cong_avoid(sk, ack, acked); }

SEC("struct_ops")
__u32 BPF_PROG(undo_cwnd, struct sock* sk) { return tcp_reno_undo_cwnd(sk); }

SEC(".struct_ops.link")
struct tcp_congestion_ops counted = {
    .init = (void*)init,
    .ssthresh = (void*)ssthresh,
    .cong_avoid = (void*)cong_avoid,
    .undo_cwnd = (void*)undo_cwnd,
    .name = "bpf_counted",
};

char LICENSE[] SEC("license") = "GPL";
