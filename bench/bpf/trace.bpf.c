// What count('raw_syscalls:sys_enter') and count('raw_syscalls:sys_enter', { by: 'comm' }) do.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct comm {
  char text[16];
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} total SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 10240);
  __type(key, struct comm);
  __type(value, __u64);
} by_comm SEC(".maps");

SEC("raw_tp/sys_enter")
int count_all(void* ctx) {
  __u32 key = 0;
  __u64* count = bpf_map_lookup_elem(&total, &key);
  if (count) *count += 1;
  return 0;
}

SEC("raw_tp/sys_enter")
int count_by_comm(void* ctx) {
  struct comm key;
  bpf_get_current_comm(&key, sizeof(key));
  __u64* count = bpf_map_lookup_elem(&by_comm, &key);
  if (count) {
    *count += 1;
    return 0;
  }
  __u64 one = 1;
  bpf_map_update_elem(&by_comm, &key, &one, BPF_NOEXIST);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
