// Removes the entries of a map that are older than a given time, without a system call for each entry.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct sweep {
  __u64 before;
  __u64 seen;
  __u64 removed;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 100000);
  __type(key, __u32);
  __type(value, __u64);
} last_seen SEC(".maps");

static long look_at(struct bpf_map* map, __u32* key, __u64* when, struct sweep* sweep) {
  sweep->seen++;
  if (*when < sweep->before && bpf_map_delete_elem(map, key) == 0) sweep->removed++;
  return 0;
}

SEC("syscall")
int sweep(struct sweep* ctx) {
  struct sweep sweep = {.before = ctx->before};
  bpf_for_each_map_elem(&last_seen, look_at, &sweep, 0);
  ctx->seen = sweep.seen;
  ctx->removed = sweep.removed;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
