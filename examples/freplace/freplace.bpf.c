// Replaces wanted() in another program (execs.bpf.c) while that program runs. It may only return values that
// the other program may return, which for a raw tracepoint is only 0.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

const volatile __u32 only;

SEC("freplace/wanted")
int by_user(__u32 uid) { return uid == only; }

char LICENSE[] SEC("license") = "GPL";
