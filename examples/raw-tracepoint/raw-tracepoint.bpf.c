// Reports signals and their senders, from the raw arguments of a tracepoint.
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct signal {
  __u32 number;
  __u32 pid;
  char comm[16];
  __u32 sender;
  char sender_comm[16];
};
struct signal* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} signals SEC(".maps");

// trace_signal_generate(int sig, struct kernel_siginfo* info, struct task_struct* task, ...)
SEC("raw_tp")
int on_signal(struct bpf_raw_tracepoint_args* ctx) {
  struct kernel_siginfo* info = (void*)ctx->args[1];
  struct task_struct* task = (void*)ctx->args[2];
  // 1 means that the kernel sends the signal; codes above 0 do, too.
  if (info == (void*)1 || (info && BPF_CORE_READ(info, si_code) > 0)) return 0;
  struct signal* signal = bpf_ringbuf_reserve(&signals, sizeof(*signal), 0);
  if (!signal) return 0;
  signal->number = ctx->args[0];
  signal->pid = BPF_CORE_READ(task, tgid);
  BPF_CORE_READ_STR_INTO(&signal->comm, task, comm);
  signal->sender = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(signal->sender_comm, sizeof(signal->sender_comm));
  bpf_ringbuf_submit(signal, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
