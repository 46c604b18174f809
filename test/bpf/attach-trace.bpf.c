// What is traced: tracepoints, functions of programs and of the kernel, clocks
// (test/attach/{tracepoint,uprobe,kprobe,perf-event}.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

// Only what this process does is counted; 0 for all.
const volatile __u32 wanted;

struct seen {
  __u64 runs;
  __u64 cookie;
  __u64 argument;
  __u64 address;
};
struct seen seen;
__u64 returns;

extern bool bpf_session_is_return(void) __ksym __weak;
// The newest kernels (7.2) want the context.
extern bool bpf_session_is_return___of(void* ctx) __ksym __weak;
#define IS_RETURN(ctx) \
  (bpf_ksym_exists(bpf_session_is_return___of) ? bpf_session_is_return___of(ctx) : bpf_session_is_return())

static void note(void* ctx, __u64 argument, __u64 address) {
  if (wanted && bpf_get_current_pid_tgid() >> 32 != wanted) return;
  __sync_fetch_and_add(&seen.runs, 1);
  seen.cookie = bpf_get_attach_cookie(ctx);
  seen.argument = argument;
  seen.address = address;
}

SEC("?tp")
int on_tracepoint(void* ctx) {
  note(ctx, 0, 0);
  return 0;
}

SEC("?raw_tp")
int on_raw_tracepoint(void* ctx) {
  __sync_fetch_and_add(&seen.runs, 1);
  return 0;
}

SEC("?raw_tp")
int on_raw_tracepoint_with_cookie(void* ctx) {
  note(ctx, 0, 0);
  return 0;
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(on_exec) {
  __sync_fetch_and_add(&seen.runs, 1);
  return 0;
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(on_exec_with_cookie) {
  note(ctx, 0, 0);
  return 0;
}

SEC("?uprobe")
int on_call(struct pt_regs* ctx) {
  note(ctx, PT_REGS_PARM1(ctx), bpf_get_func_ip(ctx));
  return 0;
}

SEC("?uprobe.multi")
int on_calls(struct pt_regs* ctx) {
  note(ctx, PT_REGS_PARM1(ctx), bpf_get_func_ip(ctx));
  return 0;
}

// Wants to see the return, too.
SEC("?uprobe.session")
int on_call_and_return(struct pt_regs* ctx) {
  if (IS_RETURN(ctx)) {
    __sync_fetch_and_add(&returns, 1);
  } else {
    note(ctx, PT_REGS_PARM1(ctx), 0);
  }
  return 0;
}

SEC("?kprobe")
int on_kernel_call(struct pt_regs* ctx) {
  note(ctx, 0, 0);
  return 0;
}

SEC("?kprobe.multi")
int on_kernel_calls(struct pt_regs* ctx) {
  note(ctx, 0, 0);
  return 0;
}

SEC("?kprobe.session")
int on_kernel_call_and_return(struct pt_regs* ctx) {
  if (IS_RETURN(ctx)) {
    __sync_fetch_and_add(&returns, 1);
  } else {
    note(ctx, 0, 0);
  }
  return 0;
}

SEC("?fentry/bpf_lsm_file_open")
int BPF_PROG(on_entry) {
  note(ctx, 0, 0);
  return 0;
}

SEC("?lsm/file_open")
int BPF_PROG(on_open) {
  if (wanted && bpf_get_current_pid_tgid() >> 32 == wanted) __sync_fetch_and_add(&seen.runs, 1);
  return 0;
}

SEC("?perf_event")
int on_tick(void* ctx) {
  note(ctx, 0, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
