// Prints a line. Test runs repeat it (test/events/trace-pipe.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

// Tells the lines of one test from those of another.
__u32 test;
__u32 line;

SEC("tc")
int print(struct __sk_buff* skb) {
  bpf_printk("libbpf-node %u: line %u", test, line++);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
