// A struct_ops program that no map has (test/struct-ops.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

SEC("struct_ops")
int lonely(void* ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
