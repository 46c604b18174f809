// A second file that is linked with log.bpf.c (test/log/log-to.test.ts).
#include "vmlinux.h"
// This needs the types of vmlinux.h.
#include "libbpf-node.bpf.h"

LIBBPF_NODE_LOGS(1 << 18);

SEC("raw_tp/sched_process_exec")
int linked(void* ctx) {
  int number = 42;
  libbpf_node_log(info, "linked %d", number);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
