// Nobody sends signals to one process: answers in the place of a function of the kernel.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EPERM 1

const volatile __u32 guarded;
__u64 refused;

// The functions security_* can be answered for, and those that errors may be injected into. With anything but
// 0 they are not called.
SEC("fmod_ret/security_task_kill")
int BPF_PROG(on_kill, struct task_struct* task, struct kernel_siginfo* info, int signal,
             const struct cred* cred, int verdict) {
  // Signal 0 only asks whether the process exists. Its own may be sent.
  if (verdict != 0 || signal == 0 || task->tgid != guarded) return verdict;
  if (bpf_get_current_pid_tgid() >> 32 == guarded) return 0;
  __sync_fetch_and_add(&refused, 1);
  return -EPERM;
}

char LICENSE[] SEC("license") = "GPL";
