// Writes a line into its stream, on Linux 7.0 and newer (test/dump.test.ts).
// This file declares the kfuncs that it calls: their prototypes differ from kernel to kernel.
#define BPF_NO_KFUNC_PROTOTYPES
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

extern int bpf_stream_vprintk(int stream, const char* format, const void* args, __u32 size) __ksym;

static const char format[] = "line %d of stream\n";

SEC("syscall")
int print(void* context) {
  __u64 args[] = {7};
  return bpf_stream_vprintk(1, format, args, sizeof(args));
}

char LICENSE[] SEC("license") = "GPL";
