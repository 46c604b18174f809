// Takes the place of wanted() in another program (execs.bpf.c), while that runs. To say anything but 0 it has
// to be one whose own result is anything: of a tracepoint, not of a raw one.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

const volatile __u32 only;

SEC("freplace/wanted")
int by_user(__u32 uid) { return uid == only; }

char LICENSE[] SEC("license") = "GPL";
