#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct event {
  int pid;
  char comm[16];
};

struct event* for_btf __attribute__((unused));

// User space reads this from mapped memory, without a system call.
__u64 executed;

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 256 * 1024);
} events SEC(".maps");

SEC("raw_tp/sched_process_exec")
int on_exec(void* ctx) {
  __sync_fetch_and_add(&executed, 1);
  struct event* e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
  if (!e) return 0;
  e->pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(e->comm, sizeof(e->comm));
  bpf_ringbuf_submit(e, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
