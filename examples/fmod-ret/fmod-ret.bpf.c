// Protects a process from signals, by returning an error in place of a kernel function.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EPERM 1

const volatile __u32 guarded;
__u64 refused;

// This works for the functions security_*, and for those that allow error injection. If the program returns
// anything but 0, the function is not called.
SEC("fmod_ret/security_task_kill")
int BPF_PROG(on_kill, struct task_struct* task, struct kernel_siginfo* info, int signal,
             const struct cred* cred, int verdict) {
  // Signal 0 only checks whether the process exists. The process may signal itself.
  if (verdict != 0 || signal == 0 || task->tgid != guarded) return verdict;
  if (bpf_get_current_pid_tgid() >> 32 == guarded) return 0;
  __sync_fetch_and_add(&refused, 1);
  return -EPERM;
}

char LICENSE[] SEC("license") = "GPL";
