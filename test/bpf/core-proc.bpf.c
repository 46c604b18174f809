// What a process looks like from inside the kernel, whatever its structures look like there
// (test/core-proc.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

// Until Linux 5.14.
struct task_struct___old {
  long state;
} __attribute__((preserve_access_index));

const volatile __u32 wanted = 0;

__u32 seen;
char comm[16];
__u32 pid, tgid, parent, threads, uid, state;
__u64 start_boottime, total_vm;
__u64 start_code, end_code, start_brk, arg_start, arg_end, env_start;
__u32 uts_ns, pid_ns;
char kernel_release[65];
__u64 cgroup;
bool has_new_state;

SEC("iter/task")
int look(struct bpf_iter__task* ctx) {
  struct task_struct* task = ctx->task;
  if (!task || BPF_CORE_READ(task, pid) != wanted) return 0;
  seen++;
  BPF_CORE_READ_STR_INTO(&comm, task, comm);
  pid = BPF_CORE_READ(task, pid);
  tgid = BPF_CORE_READ(task, tgid);
  parent = BPF_CORE_READ(task, real_parent, tgid);
  threads = BPF_CORE_READ(task, signal, nr_threads);
  uid = BPF_CORE_READ(task, real_cred, uid.val);
  start_boottime = BPF_CORE_READ(task, start_boottime);

  has_new_state = bpf_core_field_exists(task->__state);
  state =
      has_new_state ? BPF_CORE_READ(task, __state) : BPF_CORE_READ((struct task_struct___old*)task, state);

  state &= 0xff;  // without TASK_FREEZABLE and the like

  struct mm_struct* mm = BPF_CORE_READ(task, mm);
  total_vm = BPF_CORE_READ(mm, total_vm);
  start_code = BPF_CORE_READ(mm, start_code);
  end_code = BPF_CORE_READ(mm, end_code);
  start_brk = BPF_CORE_READ(mm, start_brk);
  arg_start = BPF_CORE_READ(mm, arg_start);
  arg_end = BPF_CORE_READ(mm, arg_end);
  env_start = BPF_CORE_READ(mm, env_start);

  uts_ns = BPF_CORE_READ(task, nsproxy, uts_ns, ns.inum);
  pid_ns = BPF_CORE_READ(task, nsproxy, pid_ns_for_children, ns.inum);
  BPF_CORE_READ_STR_INTO(&kernel_release, task, nsproxy, uts_ns, name.release);
  cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
