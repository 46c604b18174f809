// Records of any size.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct pair {
  __u32 first, second;
};
struct pair* pair_unused __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 16 << 20);
} events SEC(".maps");

#define MOST (16 << 10)
unsigned char bytes[MOST] = {1, 0, 0, 0, 2};
__u32 size;

struct emit_request {
  __u64 count;
};

static long emit_next(__u32 i, __u32* sent) {
  __u32 length = size;
  if (length > MOST || bpf_ringbuf_output(&events, bytes, length, 0) != 0) return 1;
  (*sent)++;
  return 0;
}

SEC("syscall")
int emit_many(struct emit_request* request) {
  __u32 sent = 0;
  bpf_loop(request->count, emit_next, &sent, 0);
  return sent;
}
