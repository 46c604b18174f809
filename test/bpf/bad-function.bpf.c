// Near misses of what is in the kernel; the tests say which of them is loaded.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("?fentry/vfs_unlinkk")
int BPF_PROG(on_unlink) { return 0; }

SEC("?tp_btf/sched_proces_exec")
int BPF_PROG(on_exec_btf) { return 0; }

SEC("?tp/sched/sched_process_exce")
int on_exec(void* context) { return 0; }

char LICENSE[] SEC("license") = "GPL";
