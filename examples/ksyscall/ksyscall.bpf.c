// Measures how long a system call takes, and reports what it returns.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct call {
  __u32 pid;
  char comm[16];
  __s64 result;
  __u64 took_ns;
};
struct call* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, __u64);
  __type(value, __u64);
} begun SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} calls SEC(".maps");

SEC("ksyscall")
int on_call(struct pt_regs* ctx) {
  __u64 thread = bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns();
  bpf_map_update_elem(&begun, &thread, &now, BPF_ANY);
  return 0;
}

SEC("kretsyscall")
int BPF_KRETPROBE(on_return, long result) {
  __u64 thread = bpf_get_current_pid_tgid(), *start = bpf_map_lookup_elem(&begun, &thread);
  if (!start) return 0;
  struct call* call = bpf_ringbuf_reserve(&calls, sizeof(*call), 0);
  if (call) {
    call->pid = thread >> 32;
    bpf_get_current_comm(call->comm, sizeof(call->comm));
    call->result = result;
    call->took_ns = bpf_ktime_get_ns() - *start;
    bpf_ringbuf_submit(call, 0);
  }
  bpf_map_delete_elem(&begun, &thread);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
