// A producer for perf buffers, on the CPU that the test run chooses (test/events/perf-*.test.ts).
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

// The number of the next record.
__u64 number;
// How many records had no reader. Records that do not fit are reported to the reader instead.
__u64 refused;

// Writes one record. A raw tracepoint program, because its test runs can choose the CPU.
SEC("raw_tp/sched_process_exec")
int produce(void* ctx) {
  struct record record = {number++, bpf_get_smp_processor_id(), {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
  long error = bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &record, sizeof(record));
  if (error == -2 || error == -7) refused++;
  return error;
}

// The length of the records of produce_sized, at least 8 bytes.
__u32 size;
unsigned char bytes[4096];

// Writes the number, followed by what user space has put into `bytes`.
SEC("raw_tp/sched_process_exec")
int produce_sized(void* ctx) {
  __u32 length = size;
  if (length < sizeof(number) || length > sizeof(bytes)) return -1;
  *(__u64*)bytes = number++;
  return bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, bytes, length);
}

char LICENSE[] SEC("license") = "GPL";
