// Reports slow calls of library functions. One program runs for the call and its return, and keeps a number
// in between. This file declares the kfuncs that it calls, because their prototypes differ between kernels.
#define BPF_NO_KFUNC_PROTOTYPES
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

const volatile __u64 at_least_ns;

struct call {
  __u32 pid;
  char comm[16];
  __u64 function;
  __u64 took_ns;
};
struct call* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} calls SEC(".maps");

extern bool bpf_session_is_return(void) __ksym __weak;
extern __u64* bpf_session_cookie(void) __ksym __weak;
// The same function since Linux 7.0. Three underscores and what follows them are not part of the name.
extern bool bpf_session_is_return___of(void* ctx) __ksym __weak;
extern __u64* bpf_session_cookie___of(void* ctx) __ksym __weak;

static bool is_return(void* ctx) {
  return bpf_ksym_exists(bpf_session_is_return___of) ? bpf_session_is_return___of(ctx)
                                                     : bpf_session_is_return();
}

static __u64* session_cookie(void* ctx) {
  return bpf_ksym_exists(bpf_session_cookie___of) ? bpf_session_cookie___of(ctx) : bpf_session_cookie();
}

SEC("uprobe.session")
int on_call(struct pt_regs* ctx) {
  __u64 *start = session_cookie(ctx), now = bpf_ktime_get_ns();
  if (!is_return(ctx)) {
    *start = now;
    return 0;  // 1 would skip the return
  }
  if (now - *start < at_least_ns) return 0;
  struct call* call = bpf_ringbuf_reserve(&calls, sizeof(*call), 0);
  if (!call) return 0;
  call->pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(call->comm, sizeof(call->comm));
  call->function = bpf_get_attach_cookie(ctx);
  call->took_ns = now - *start;
  bpf_ringbuf_submit(call, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
