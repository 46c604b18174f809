// A queueing discipline that drops every packet (test/attach/qdisc.test.ts).
// This file declares the kfunc that it calls: kernels that are built without it have no prototype of it.
#define BPF_NO_KFUNC_PROTOTYPES
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define NET_XMIT_DROP 1

__u64 dropped;

// Some kernels have it in vmlinux.h.
struct bpf_sk_buff_ptr___own {
  struct sk_buff* skb;
};
extern void bpf_qdisc_skb_drop(struct sk_buff* skb, struct bpf_sk_buff_ptr___own* to_free) __ksym;

SEC("struct_ops")
int BPF_PROG(enqueue, struct sk_buff* skb, struct Qdisc* sch, struct bpf_sk_buff_ptr___own* to_free) {
  __sync_fetch_and_add(&dropped, 1);
  bpf_qdisc_skb_drop(skb, to_free);
  return NET_XMIT_DROP;
}

SEC("struct_ops")
struct sk_buff* BPF_PROG(dequeue, struct Qdisc* sch) { return 0; }

SEC("struct_ops")
int BPF_PROG(init, struct Qdisc* sch, struct nlattr* options, struct netlink_ext_ack* extack) { return 0; }

SEC("struct_ops")
void BPF_PROG(reset, struct Qdisc* sch) {}

SEC("struct_ops")
void BPF_PROG(destroy, struct Qdisc* sch) {}

SEC(".struct_ops.link")
struct Qdisc_ops drop_all = {
    .id = "lbn_drop",
    .enqueue = (void*)enqueue,
    .dequeue = (void*)dequeue,
    .init = (void*)init,
    .reset = (void*)reset,
    .destroy = (void*)destroy,
};

char LICENSE[] SEC("license") = "GPL";
