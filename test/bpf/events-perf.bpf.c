// A producer for perf buffers, on a CPU that the test run names (test/events/perf-*.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct record {
  __u64 number;
  __u32 cpu;
  unsigned char bytes[12];
};
struct record* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __type(key, __u32);
  __type(value, __u32);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u32);
} not_perf SEC(".maps");

// The next record's number.
__u64 number;
// Records that no reader was there for. Of those without room the reader is told.
__u64 refused;

// One record. The CPU can be chosen for test runs of raw tracepoint programs.
SEC("raw_tp/sched_process_exec")
int produce(void* ctx) {
  struct record record = {number++, bpf_get_smp_processor_id(), {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
  long error = bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &record, sizeof(record));
  if (error == -2 || error == -7) refused++;
  return error;
}

// How long the records of produce_sized are, at least 8 bytes.
__u32 size;
unsigned char bytes[4096];

// The number, and then whatever user space has put into `bytes`.
SEC("raw_tp/sched_process_exec")
int produce_sized(void* ctx) {
  __u32 length = size;
  if (length < sizeof(number) || length > sizeof(bytes)) return -1;
  *(__u64*)bytes = number++;
  return bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, bytes, length);
}

char LICENSE[] SEC("license") = "GPL";
