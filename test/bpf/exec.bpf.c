// One record for each execution of a program (test/events.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct execution {
  __s32 pid;
  __s32 parent;
  char comm[16];
};
struct execution* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} events SEC(".maps");

SEC("raw_tp/sched_process_exec")
int on_exec(void* ctx) {
  struct execution* execution = bpf_ringbuf_reserve(&events, sizeof(*execution), 0);
  if (!execution) return 0;
  struct task_struct* task = (void*)bpf_get_current_task();
  execution->pid = bpf_get_current_pid_tgid() >> 32;
  execution->parent = BPF_CORE_READ(task, real_parent, tgid);
  bpf_get_current_comm(execution->comm, sizeof(execution->comm));
  bpf_ringbuf_submit(execution, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
