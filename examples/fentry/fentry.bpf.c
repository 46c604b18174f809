// Reports new processes and threads with fentry, or with a kprobe if the kernel has no fentry.
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct birth {
  __u32 pid;
  __u32 tid;
  __u32 parent;
  char comm[16];
};
struct birth* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} births SEC(".maps");

static __always_inline int note(__u32 pid, __u32 tid) {
  struct birth* birth = bpf_ringbuf_reserve(&births, sizeof(*birth), 0);
  if (!birth) return 0;
  birth->pid = pid;
  birth->tid = tid;
  birth->parent = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(birth->comm, sizeof(birth->comm));
  bpf_ringbuf_submit(birth, 0);
  return 0;
}

// fentry programs read kernel memory like C code, and cost less than kprobes.
SEC("fentry/wake_up_new_task")
int BPF_PROG(by_fentry, struct task_struct* task) { return note(task->tgid, task->pid); }

SEC("kprobe/wake_up_new_task")
int BPF_KPROBE(by_kprobe, struct task_struct* task) {
  return note(BPF_CORE_READ(task, tgid), BPF_CORE_READ(task, pid));
}

char LICENSE[] SEC("license") = "GPL";
