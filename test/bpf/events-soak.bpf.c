// Two producers at full speed, each with its own ring (test/soak/soak.mjs).
#include "vmlinux.h"
// This needs the types of vmlinux.h.
#include "libbpf-node.bpf.h"

struct record {
  __u64 number;
  __u32 producer;
  // Derived from the number, so that a torn record is noticed.
  __u32 check;
};
struct record* for_btf __attribute__((unused));

LIBBPF_NODE_RINGBUF(one, 1 << 22);
LIBBPF_NODE_RINGBUF(two, 1 << 22);

__u64 sent_one;
__u64 sent_two;

static __always_inline void fill(struct record* record, __u64 number, __u32 producer) {
  record->number = number;
  record->producer = producer;
  record->check = (__u32)number * 2654435761U;
}

// Each writes one record. Test runs repeat them.
SEC("tc")
int produce_one(struct __sk_buff* skb) {
  __u64 number = sent_one++;
  struct record* record = libbpf_node_reserve(one, struct record);
  if (!record) return 0;
  fill(record, number, 1);
  libbpf_node_submit(one, record);
  return 0;
}

SEC("tc")
int produce_two(struct __sk_buff* skb) {
  struct record record;
  fill(&record, sent_two++, 2);
  libbpf_node_output(two, &record, sizeof(record));
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
