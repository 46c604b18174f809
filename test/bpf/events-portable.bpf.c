// One program for both a ring buffer and a perf buffer (test/events/portable.test.ts).
#include "vmlinux.h"
// This needs the types of vmlinux.h.
#include "libbpf-node.bpf.h"

struct record {
  __u64 number;
  char name[16];
};

LIBBPF_NODE_EVENTS(events, 1 << 16, struct record);

__u64 number;

SEC("raw_tp/sched_process_exec")
int produce(void* ctx) {
  struct record* record = libbpf_node_events_reserve(events, struct record);
  if (!record) return 0;
  record->number = number++;
  __builtin_memcpy(record->name, "portable", 9);
  libbpf_node_events_submit(ctx, events, record, struct record);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
