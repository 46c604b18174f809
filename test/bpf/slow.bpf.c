// Takes the verifier long: it walks through every turn of the loop (test/object-load.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

unsigned char table[256];

SEC("tc")
int slow(struct __sk_buff* skb) {
  __u32 sum = 0;
#pragma clang loop unroll(disable)
  for (__u32 i = 0; i < 60000; i++) sum = sum * 31 + table[(sum ^ i) & 255];
  return sum;
}

char LICENSE[] SEC("license") = "GPL";
