// Sends events of 64 bytes, numbered from 0 without gaps, so that a reader knows whether it got all of them.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct event {
  __u64 time;  // ns, CLOCK_MONOTONIC; only from emit_one
  __u32 number;
  __u32 one;
  char comm[16];
  __u64 a, b, c, d;
};

// clang emits BTF only for types that a global refers to.
struct event* event_unused __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 16 << 20);
} events SEC(".maps");

struct emit_request {
  __u64 count;
};

__u32 number;

static __always_inline bool emit(__u64 time) {
  struct event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) return false;
  event->time = time;
  event->number = number++;
  event->one = 1;
  __builtin_memcpy(event->comm, "0123456789abcde", 16);
  event->a = 1;
  event->b = 2;
  event->c = 3;
  event->d = 4;
  bpf_ringbuf_submit(event, 0);
  return true;
}

static long emit_next(__u32 i, __u32* sent) {
  if (!emit(0)) return 1;
  (*sent)++;
  return 0;
}

// Returns the number of events that found room.
SEC("syscall")
int emit_many(struct emit_request* request) {
  __u32 sent = 0;
  bpf_loop(request->count, emit_next, &sent, 0);
  return sent;
}

SEC("syscall")
int emit_one(struct emit_request* request) { return emit(bpf_ktime_get_ns()); }
