// Programs of many kinds, for what can be asked of and done with one (test/program.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sum {
  __u64 a;
  __u64 b;
  __u64 total;
};

const volatile __u32 parent;
__u64 executions;
__u64 exits;
__u64 runs;

SEC("raw_tp/sched_process_exec")
int on_exec(void* ctx) {
  __sync_fetch_and_add(&executions, 1);
  return 0;
}

SEC("?raw_tp/sched_process_exit")
int on_exit(void* ctx) {
  __sync_fetch_and_add(&exits, 1);
  return 0;
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(on_my_exec, struct task_struct* task) {
  if (task->real_parent->tgid == parent) __sync_fetch_and_add(&executions, 1);
  return 0;
}

// Test runs choose the CPU.
SEC("?raw_tp/sched_process_exec")
int which_cpu(void* ctx) { return bpf_get_smp_processor_id(); }

// SEC() does not say which tracepoint.
SEC("?raw_tp")
int nowhere(void* ctx) { return 0; }

SEC("?tp_btf")
int BPF_PROG(somewhere) {
  __sync_fetch_and_add(&executions, 1);
  return 0;
}

// Linux 5.14
SEC("?syscall")
int add(struct sum* ctx) {
  ctx->total = ctx->a + ctx->b;
  return ctx->total == 0 ? 1 : 42;
}

SEC("xdp")
int swap_macs(struct xdp_md* ctx) {
  unsigned char* data = (void*)(long)ctx->data;
  if (data + 14 > (unsigned char*)(long)ctx->data_end) return XDP_ABORTED;
  for (int i = 0; i < 6; i++) {
    unsigned char byte = data[i];
    data[i] = data[6 + i];
    data[6 + i] = byte;
  }
  return XDP_TX;
}

SEC("xdp")
int grow(struct xdp_md* ctx) { return bpf_xdp_adjust_head(ctx, -32) == 0 ? XDP_PASS : XDP_ABORTED; }

SEC("tc")
int mark(struct __sk_buff* skb) {
  __sync_fetch_and_add(&runs, 1);
  skb->mark += 1;
  return 7;
}

SEC("socket")
int length(struct __sk_buff* skb) { return skb->len; }

char LICENSE[] SEC("license") = "GPL";
