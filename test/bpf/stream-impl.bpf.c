// The same on Linux 6.18, where the function has another name, and an argument that the verifier fills.
// This file declares the kfuncs that it calls: their prototypes differ from kernel to kernel.
#define BPF_NO_KFUNC_PROTOTYPES
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

extern int bpf_stream_vprintk_impl(int stream, const char* format, const void* args, __u32 size,
                                   void* program) __ksym;

static const char format[] = "line %d of stream\n";

SEC("syscall")
int print(void* context) {
  __u64 args[] = {7};
  return bpf_stream_vprintk_impl(1, format, args, sizeof(args), 0);
}

char LICENSE[] SEC("license") = "GPL";
