// A slip in a section's name.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

SEC("raw_tracepiont/sched_process_exec")
int on_exec(void* context) { return 0; }

char LICENSE[] SEC("license") = "GPL";
