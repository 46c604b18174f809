// Wakes its reader only when many records wait (test/events/waking.test.ts).
#include "vmlinux.h"

#define LIBBPF_NODE_WAKE_BYTES 1024
// This needs the types of vmlinux.h.
#include "libbpf-node.bpf.h"

struct record {
  __u64 number;
  __u32 rest[3];
};

LIBBPF_NODE_RINGBUF(events, 1 << 14);

__u64 number;

SEC("raw_tp/sched_process_exec")
int reserve(void* ctx) {
  struct record* record = libbpf_node_reserve(events, struct record);
  if (!record) return -1;
  record->number = number++;
  libbpf_node_submit(events, record);
  return 0;
}

SEC("raw_tp/sched_process_exec")
int output(void* ctx) {
  struct record record = {number++};
  return libbpf_node_output(events, &record, sizeof(record));
}

char LICENSE[] SEC("license") = "GPL";
