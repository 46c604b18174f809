// Samples the running programs with a clock, and counts them by name.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct comm {
  char name[16];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, struct comm);
  __type(value, __u64);
} samples SEC(".maps");

SEC("perf_event")
int on_tick(void* ctx) {
  struct comm comm = {};
  bpf_get_current_comm(&comm, sizeof(comm));
  __u64 zero = 0, *count = bpf_map_lookup_elem(&samples, &comm);
  if (!count) {
    bpf_map_update_elem(&samples, &comm, &zero, BPF_NOEXIST);
    count = bpf_map_lookup_elem(&samples, &comm);
    if (!count) return 0;
  }
  __sync_fetch_and_add(count, 1);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
