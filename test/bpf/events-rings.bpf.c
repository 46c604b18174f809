// A producer for any number of rings (test/events/rings.ts). Variables say what it writes, and where.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct record {
  __u64 number;
  __u32 ring;
  __u32 unused;
};
struct record* for_btf __attribute__((unused));

struct ring {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 12);
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 64);
  __type(key, __u32);
  __array(values, struct ring);
} rings SEC(".maps");

// The ring of the next records.
__u32 target;
// The number of the next record. It counts up even if a record does not fit.
__u64 number;
// BPF_RB_NO_WAKEUP or BPF_RB_FORCE_WAKEUP.
__u64 flags;
// How many records did fit.
__u64 sent;

// Writes one record. Test runs repeat it.
SEC("tc")
int produce(struct __sk_buff* skb) {
  __u32 key = target;
  void* ring = bpf_map_lookup_elem(&rings, &key);
  if (!ring) return -1;
  __u64 mine = number++;
  struct record* record = bpf_ringbuf_reserve(ring, sizeof(*record), 0);
  if (!record) return 0;
  record->number = mine;
  record->ring = key;
  record->unused = 0;
  bpf_ringbuf_submit(record, flags);
  sent++;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
