// Programs for hooks that do not exist.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("tracepoint")
int at_tracepoint(void* ctx) { return 0; }

SEC("uprobe")
int at_function(void* ctx) { return 0; }
