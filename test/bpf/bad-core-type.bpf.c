// Reads a type that no kernel has.
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct no_such_type {
  int pid;
} __attribute__((preserve_access_index));

SEC("raw_tp/sched_process_exec")
int on_exec(void* context) {
  struct no_such_type* task = (void*)bpf_get_current_task();
  return BPF_CORE_READ(task, pid);
}

char LICENSE[] SEC("license") = "GPL";
