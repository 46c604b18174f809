// Maps whose keys or values are things of the kernel (test/storage-maps.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define STORAGE(map_name, map_type)       \
  struct {                                \
    __uint(type, map_type);               \
    __uint(map_flags, BPF_F_NO_PREALLOC); \
    __type(key, int);                     \
    __type(value, __u64);                 \
  } map_name SEC(".maps")

STORAGE(tasks, BPF_MAP_TYPE_TASK_STORAGE);
STORAGE(sockets, BPF_MAP_TYPE_SK_STORAGE);
STORAGE(cgroups, BPF_MAP_TYPE_CGRP_STORAGE);
STORAGE(inodes, BPF_MAP_TYPE_INODE_STORAGE);

struct {
  __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u32);
} watched SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK_TRACE);
  __uint(max_entries, 64);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, 127 * sizeof(__u64));
} stacks SEC(".maps");

__u32 watched_pid;
__u64 inside;
__s64 stack = -1;
__u64 seen_by_task;

// An exec: of the watched process, or of one in the cgroup under key 0.
SEC("?tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct* task) {
  if (bpf_current_task_under_cgroup(&watched, 0) == 1) __sync_fetch_and_add(&inside, 1);
  return 0;
}

// A system call of the watched process: what is stored with it, plus one; and where it came from.
SEC("?raw_tp/sys_enter")
int on_call(void* ctx) {
  if ((bpf_get_current_pid_tgid() >> 32) != watched_pid) return 0;
  stack = bpf_get_stackid(ctx, &stacks, 0);
  return 0;
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(on_call_of_task, struct pt_regs* regs, long id) {
  struct task_struct* task = bpf_get_current_task_btf();
  if (task->tgid != watched_pid || task->pid != watched_pid) return 0;
  __u64* stored = bpf_task_storage_get(&tasks, task, 0, 0);
  if (stored) seen_by_task = *stored;
  return 0;
}

// What leaves through a socket, counted with it.
SEC("?cgroup_skb/egress")
int on_packet(struct __sk_buff* skb) {
  struct bpf_sock* sk = skb->sk;
  sk = sk ? bpf_sk_fullsock(sk) : 0;
  __u64* stored = sk ? bpf_sk_storage_get(&sockets, sk, 0, 0) : 0;
  if (stored) *stored += 1;
  return 1;
}

char LICENSE[] SEC("license") = "GPL";
