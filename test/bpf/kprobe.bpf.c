// test/link.test.ts
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

SEC("kprobe/do_exit")
int probe(void* ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
