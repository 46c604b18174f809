// What is traced: tracepoints, functions of programs and of the kernel, clocks
// (test/attach/{tracepoint,uprobe,kprobe,perf-event}.test.ts).
// This file declares the kfuncs that it calls: their prototypes differ from kernel to kernel.
#define BPF_NO_KFUNC_PROTOTYPES
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
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
// Linux 7.0 wants to be told.
extern bool bpf_session_is_return___told(void* ctx) __ksym __weak;
#define IS_RETURN(ctx)                                                               \
  (bpf_ksym_exists(bpf_session_is_return___told) ? bpf_session_is_return___told(ctx) \
                                                 : bpf_session_is_return())

// Linux 5.15
#define COOKIE(ctx) \
  (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_attach_cookie) ? bpf_get_attach_cookie(ctx) : 0)
#define FUNC_IP(ctx) \
  (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_func_ip) ? bpf_get_func_ip(ctx) : 0)

static bool is_wanted(void) { return !wanted || bpf_get_current_pid_tgid() >> 32 == wanted; }

static void note(void* ctx, __u64 argument, __u64 address) {
  if (!is_wanted()) return;
  __sync_fetch_and_add(&seen.runs, 1);
  seen.cookie = COOKIE(ctx);
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
  note(ctx, PT_REGS_PARM1(ctx), FUNC_IP(ctx));
  return 0;
}

SEC("?uprobe.multi")
int on_calls(struct pt_regs* ctx) {
  note(ctx, PT_REGS_PARM1(ctx), FUNC_IP(ctx));
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

SEC("?kprobe")
int on_kernel_call_again(struct pt_regs* ctx) { return 0; }

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

SEC("?ksyscall/getdents64")
int BPF_KSYSCALL(on_system_call, unsigned int fd, void* entries, unsigned int count) {
  note(ctx, count, 0);
  return 0;
}

SEC("?perf_event")
int on_tick(void* ctx) {
  note(ctx, 0, 0);
  return 0;
}

struct {
  __uint(type, BPF_MAP_TYPE_STACK_TRACE);
  __uint(max_entries, 1024);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, 127 * sizeof(__u64));
} stacks SEC(".maps");
// The last of each, as they are called in `stacks`; negative ones are errors.
__s64 user_stack = -1, kernel_stack = -1;

SEC("?perf_event")
int on_tick_with_stacks(struct bpf_perf_event_data* ctx) {
  if (!is_wanted()) return 0;
  __s64 stack = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK | BPF_F_REUSE_STACKID);
  if (stack >= 0) user_stack = stack;
  stack = bpf_get_stackid(ctx, &stacks, BPF_F_REUSE_STACKID);
  if (stack >= 0) kernel_stack = stack;
  __sync_fetch_and_add(&seen.runs, 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
