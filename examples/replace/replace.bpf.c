// Counts the programs that users start. The lowest user id to count is set before load.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

const volatile __u32 first_uid;

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u64);
} executions SEC(".maps");

SEC("raw_tp/sched_process_exec")
int count(void* ctx) {
  __u32 uid = bpf_get_current_uid_gid();
  if (uid < first_uid) return 0;
  __u64 one = 1, *number = bpf_map_lookup_elem(&executions, &uid);
  if (number)
    __sync_fetch_and_add(number, 1);
  else
    bpf_map_update_elem(&executions, &uid, &one, BPF_NOEXIST);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
