// Up to 256 rings, which get a record each in turn.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct ring {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 256);
  __type(key, __u32);
  __array(values, struct ring);
} rings SEC(".maps");

struct emit_request {
  __u64 count;
};

__u32 ring_count = 1;
__u64 number;

static long emit_next(__u32 i, __u32* sent) {
  __u32 at = number % ring_count;
  void* ring = bpf_map_lookup_elem(&rings, &at);
  if (!ring || bpf_ringbuf_output(ring, &number, sizeof(number), 0) != 0) return 1;
  number++;
  (*sent)++;
  return 0;
}

SEC("syscall")
int emit_many(struct emit_request* request) {
  __u32 sent = 0;
  bpf_loop(request->count, emit_next, &sent, 0);
  return sent;
}
