// Rings that count what they lose, and one that does not (test/events/lost.test.ts).
#include "vmlinux.h"
// This needs the types of vmlinux.h.
#include "libbpf-node.bpf.h"

struct record {
  __u64 number;
};

LIBBPF_NODE_RINGBUF(reserved, 1 << 12);
LIBBPF_NODE_RINGBUF(copied, 1 << 12);

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 12);
} plain SEC(".maps");

// Writes one record to each ring. A raw tracepoint program, because its test runs can choose the CPU.
SEC("raw_tp/sched_process_exec")
int produce(void* ctx) {
  struct record* record = libbpf_node_reserve(reserved, struct record);
  if (record) {
    record->number = bpf_get_smp_processor_id();
    libbpf_node_submit(reserved, record);
  }
  struct record copy = {bpf_get_smp_processor_id()};
  libbpf_node_output(copied, &copy, sizeof(copy));
  bpf_ringbuf_output(&plain, &copy, sizeof(copy), 0);
  return 0;
}

SEC("raw_tp/sched_process_exec")
int discard(void* ctx) {
  struct record* record = libbpf_node_reserve(reserved, struct record);
  if (record) libbpf_node_discard(reserved, record);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
