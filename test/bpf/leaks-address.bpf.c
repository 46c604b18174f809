// A program that gives away an address of the kernel, which takes CAP_PERFMON.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

unsigned long address;

SEC("xdp")
int leaks(struct xdp_md* ctx) {
  address = (unsigned long)ctx;
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
