// Reports programs that are started. Another program can decide which of them.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct exec {
  __u32 pid;
  __u32 uid;
  char comm[16];
};
struct exec* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} execs SEC(".maps");

// A global function, which the kernel verifies separately and can therefore replace. The compiler must not
// see that it always returns 1 and does not use its argument.
__attribute__((noinline)) int wanted(__u32 uid) {
  int yes = 1;
  asm volatile("" : "+r"(yes) : "r"(uid));
  return yes;
}

SEC("tp/sched/sched_process_exec")
int on_exec(void* ctx) {
  __u32 uid = bpf_get_current_uid_gid();
  if (!wanted(uid)) return 0;
  struct exec* exec = bpf_ringbuf_reserve(&execs, sizeof(*exec), 0);
  if (!exec) return 0;
  exec->pid = bpf_get_current_pid_tgid() >> 32;
  exec->uid = uid;
  bpf_get_current_comm(exec->comm, sizeof(exec->comm));
  bpf_ringbuf_submit(exec, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
