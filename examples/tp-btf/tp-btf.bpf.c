// Measures how long tasks wait for a CPU, from waking up to running. tp_btf programs read the arguments of
// tracepoints like C code.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, __u32);
  __type(value, __u64);
} woken SEC(".maps");

// How many tasks waited for less than 1, 2, 4, 8... microseconds.
__u64 slots[26];

static int note(struct task_struct* task) {
  __u32 id = task->pid;
  __u64 now = bpf_ktime_get_ns();
  bpf_map_update_elem(&woken, &id, &now, BPF_ANY);
  return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct* task) { return note(task); }

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_birth, struct task_struct* task) { return note(task); }

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempted, struct task_struct* before, struct task_struct* task) {
  __u32 id = task->pid, slot = 0;
  __u64* since = bpf_map_lookup_elem(&woken, &id);
  if (!since) return 0;
  for (__u64 us = (bpf_ktime_get_ns() - *since) / 1000; us > 0 && slot < 25; us >>= 1) slot++;
  if (slot < 26) __sync_fetch_and_add(&slots[slot], 1);
  bpf_map_delete_elem(&woken, &id);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
