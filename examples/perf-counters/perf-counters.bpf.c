// Counts the CPU cycles and instructions of each process with hardware counters.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct counts {
  char comm[16];
  __u64 cycles;
  __u64 instructions;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, __u32);
  __type(value, struct counts);
} processes SEC(".maps");

static struct counts* current(void) {
  __u32 pid = bpf_get_current_pid_tgid() >> 32;
  struct counts none = {};
  bpf_get_current_comm(none.comm, sizeof(none.comm));
  bpf_map_update_elem(&processes, &pid, &none, BPF_NOEXIST);
  return bpf_map_lookup_elem(&processes, &pid);
}

// Each program runs once per million events.
SEC("perf_event")
int on_cycles(void* ctx) {
  struct counts* counts = current();
  if (counts) __sync_fetch_and_add(&counts->cycles, 1);
  return 0;
}

SEC("perf_event")
int on_instructions(void* ctx) {
  struct counts* counts = current();
  if (counts) __sync_fetch_and_add(&counts->instructions, 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
