// Sends one record for each program that is started.
#include "vmlinux.h"
// Needs types of vmlinux.h.
#include "libbpf-node.bpf.h"

struct execution {
  __u64 time;  // ns, CLOCK_MONOTONIC
  __u32 pid;
  char comm[16];
};
struct execution* for_btf __attribute__((unused));

LIBBPF_NODE_RINGBUF(events, 1 << 18);

SEC("raw_tp/sched_process_exec")
int on_exec(void* ctx) {
  struct execution* execution = libbpf_node_reserve(events, struct execution);
  if (!execution) return 0;
  execution->time = bpf_ktime_get_ns();
  execution->pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(execution->comm, sizeof(execution->comm));
  libbpf_node_submit(events, execution);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
