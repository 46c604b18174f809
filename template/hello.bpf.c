// Runs in the kernel: sends an event to main.ts whenever a program is started.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "libbpf-node.bpf.h"

struct event {
  int pid;
  char comm[16];
};
// clang emits types only if a global refers to them.
struct event *unused __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 256 * 1024);
} events SEC(".maps") LIBBPF_NODE_RECORD(struct event);

SEC("raw_tp/sched_process_exec")
int on_exec(void *ctx)
{
  struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event)
    return 0;
  event->pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(event->comm, sizeof(event->comm));
  bpf_ringbuf_submit(event, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
