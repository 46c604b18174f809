// Reads a field that no kernel has.
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct___odd {
  int no_such_field;
} __attribute__((preserve_access_index));

SEC("raw_tp/sched_process_exec")
int on_exec(void* context) {
  struct task_struct___odd* task = (void*)bpf_get_current_task();
  return BPF_CORE_READ(task, no_such_field);
}

char LICENSE[] SEC("license") = "GPL";
