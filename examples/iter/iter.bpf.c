// Collects what ps prints inside the kernel: consistent, and without reading a file for each process.
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct process {
  __u32 pid;
  __u32 parent;
  __u64 started_ns;
  __u64 pages;
  char comm[16];
};
struct process* for_btf __attribute__((unused));

SEC("iter/task")
int processes(struct bpf_iter__task* ctx) {
  struct task_struct* task = ctx->task;
  // Threads are tasks, too; report each process once.
  if (!task || task->pid != task->tgid) return 0;
  struct process process = {
      .pid = task->tgid,
      .parent = BPF_CORE_READ(task, real_parent, tgid),
      .started_ns = task->start_time,
      .pages = BPF_CORE_READ(task, mm, total_vm),
  };
  bpf_probe_read_kernel_str(process.comm, sizeof(process.comm), task->comm);
  bpf_seq_write(ctx->meta->seq, &process, sizeof(process));
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
