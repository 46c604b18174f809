// Counters that JavaScript has opened, read by a program (test/events/perf-event.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u32);
} counters SEC(".maps");

// What the last run has read, or why it could not.
__u64 counter;
__u64 enabled;
__u64 running;
__s64 error;
__u64 reads;

SEC("?perf_event")
int read_counter(void* ctx) {
  struct bpf_perf_event_value value = {};
  error = bpf_perf_event_read_value(&counters, BPF_F_CURRENT_CPU, &value, sizeof(value));
  if (error) return 0;
  counter = value.counter;
  enabled = value.enabled;
  running = value.running;
  __sync_fetch_and_add(&reads, 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
