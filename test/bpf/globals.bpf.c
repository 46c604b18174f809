// Global variables of all sections and many types (test/globals.test.ts, test/object-options.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct limits {
  __u32 low;
  __u64 high;
  char name[8];
};

enum mode { MODE_OFF, MODE_ON = 5 };

const volatile __u32 number = 7;
const volatile __s64 negative = -3;
const volatile bool enabled;
const volatile char comm[16] = "none";
const volatile struct limits limits = {1, 2, "ab"};
const volatile enum mode mode = MODE_ON;

__u64 counter = 100;
struct limits last = {10, 20, "cd"};

__u32 sum;
__u32 list[4];
unsigned char bytes[4];

__u32 custom SEC(".data.custom") = 5;

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_BPF_SYSCALL __kconfig __weak;
extern int CONFIG_LIBBPF_NODE __kconfig __weak;
extern char CONFIG_LIBBPF_NAME[16] __kconfig __weak;

// Sees what user space has set, and sets what user space will see.
SEC("tc")
int calculate(struct __sk_buff* skb) {
  counter += 1;
  last.high = limits.high;
  last.low = mode;
  sum = number + (__u32)negative + list[1] + custom + CONFIG_LIBBPF_NODE;
  list[2] = enabled ? LINUX_KERNEL_VERSION : 0;
  bytes[3] = comm[0];
  bytes[2] = CONFIG_LIBBPF_NAME[0];
  bytes[1] = CONFIG_BPF_SYSCALL;
  return sum;
}

char LICENSE[] SEC("license") = "GPL";
