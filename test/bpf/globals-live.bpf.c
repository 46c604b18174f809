// Global variables that are structs, arrays and bitfields (test/globals-live.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct limit {
  __u16 low;
  __u32 high;
};

struct config {
  __u8 level;
  struct limit limit;
  struct {
    __u64 deep;
  };
  __u32 on : 1;
  __u32 mode : 5;
  __s32 shift : 10;
  union {
    __u32 word;
    __u8 bytes[4];
  };
  struct limit limits[3];
  char name[8];
  __s16 grid[2][3];
};

const volatile struct config fixed = {.level = 1};
struct config settings = {
    .level = 3,
    .limit = {1, 2},
    .deep = 4,
    .on = 1,
    .mode = 9,
    .shift = -5,
    .word = 0x04030201,
    .limits = {{1, 10}, {2, 20}, {3, 30}},
    .name = "abc",
    .grid = {{1, 2, 3}, {-4, -5, -6}},
};

// These can be made longer.
const volatile __u32 buckets = 1;
__u32 count SEC(".data.histogram");
__u64 histogram[1] SEC(".data.histogram");
char text[4] SEC(".data.text") = "abc";
struct limit limits[1] SEC(".bss.limits");

extern int LINUX_KERNEL_VERSION __kconfig;

SEC("tc")
int run(struct __sk_buff* skb) {
  // The verifier knows how many there are: constants are read-only when it looks.
  __u32 last = count - 1;
  asm volatile("" : "+r"(last));
  if (last < buckets) ((volatile __u64*)histogram)[last]++;
  settings.limit.high += fixed.level;
  settings.limits[1].low++;
  return settings.level + settings.mode + settings.shift + settings.grid[1][2] + text[0] + limits[0].low +
         LINUX_KERNEL_VERSION;
}

char LICENSE[] SEC("license") = "GPL";
