// Maps of maps whose values the kernel has to know: they have timers (test/map-of-maps.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct timed {
  struct bpf_timer timer;
  __u64 number;
};

struct inner {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct timed);
} inner_one SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(values, struct inner);
} outer SEC(".maps") = {.values = {&inner_one}};

char LICENSE[] SEC("license") = "GPL";
