// A program with a function that another takes the place of (test/attach/tracing.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

__attribute__((noinline)) int answer(struct xdp_md* ctx) {
  volatile int old = 1;
  return old;
}

SEC("xdp")
int ask(struct xdp_md* ctx) { return answer(ctx); }

SEC("?freplace/answer")
int other_answer(struct xdp_md* ctx) { return 2; }

char LICENSE[] SEC("license") = "GPL";
