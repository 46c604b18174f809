// Enums as compilers before clang 15 write them: test/btf/enum-sign.test.ts removes the sign from the BTF.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

enum sample_state { STATE_UNKNOWN = -1, STATE_IDLE, STATE_BUSY };
enum sample_flags { FLAG_FIRST = 1, FLAG_LAST = 1U << 31 };
enum __attribute__((packed)) sample_level { LEVEL_LOW = -2, LEVEL_HIGH = 1 };

struct enum_sample {
  enum sample_state state;
  enum sample_flags flags;
  enum sample_level level;
  enum sample_state bits : 3;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct enum_sample);
} samples SEC(".maps");

SEC("socket")
int nothing(void* ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
