// What can be attached by the name of its section (test/link.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

__u64 executions;

SEC("raw_tp/sched_process_exec")
int raw_tracepoint(void* ctx) {
  __sync_fetch_and_add(&executions, 1);
  return 0;
}

SEC("tp/sched/sched_process_exec")
int tracepoint(void* ctx) { return 0; }

SEC("tp_btf/sched_process_exec")
int BPF_PROG(tracing) { return 0; }

SEC("iter/bpf_map")
int says_one(struct bpf_iter__bpf_map* ctx) {
  if (ctx->map == 0) BPF_SEQ_PRINTF(ctx->meta->seq, "one");
  return 0;
}

SEC("iter/bpf_map")
int says_two(struct bpf_iter__bpf_map* ctx) {
  if (ctx->map == 0) BPF_SEQ_PRINTF(ctx->meta->seq, "two");
  return 0;
}

// Loads, but cannot be attached.
SEC("?tp/sched/no_such_thing")
int no_such_tracepoint(void* ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
