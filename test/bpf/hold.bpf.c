// A record that stays reserved until user space lets it go, for five seconds at most
// (test/events/held.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} events SEC(".maps");

volatile bool held;
volatile bool let_go;

struct record {
  __u64 number;
};
struct record* for_btf __attribute__((unused));

static long look(__u32 i, __u64* deadline) { return let_go || bpf_ktime_get_ns() > *deadline; }

static long look_often(__u32 i, __u64* deadline) {
  bpf_loop(1000, look, deadline, 0);
  return let_go || bpf_ktime_get_ns() > *deadline;
}

SEC("syscall")
int hold(void* ctx) {
  __u64 deadline = bpf_ktime_get_ns() + 5000000000ULL;
  struct record* record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
  if (!record) return 1;
  record->number = 17;
  held = true;
  bpf_loop(1 << 23, look_often, &deadline, 0);
  bpf_ringbuf_submit(record, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
