// Takes the place of wanted() in another program (execs.bpf.c), while that runs.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

const volatile __u32 only;

SEC("freplace/wanted")
int by_user(__u32 uid) { return uid == only; }

char LICENSE[] SEC("license") = "GPL";
