// Whether the kernel takes programs on trampolines at all (test/helpers/kernel.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

SEC("fentry/vfs_unlink")
int entry(void* ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
