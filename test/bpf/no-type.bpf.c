// Members and variables for which clang writes type 0, because BTF cannot express their types.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct counters {
  char tag;
  _Atomic unsigned hits;
  __u64 total;
};

struct nested {
  int before;
  struct counters counters;
};

typedef _Atomic int atomic_int_t;

struct renamed {
  atomic_int_t count;
  int other;
};

struct plain {
  int value;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, int);
  __type(value, struct counters);
} counted SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, int);
  __type(value, struct plain);
} readable SEC(".maps");

_Atomic int uncertain = 3;
int certain = 4;
struct counters record;
struct nested* unused_nested __attribute__((unused));
struct renamed* unused_renamed __attribute__((unused));

SEC("socket")
int count(void* ctx) {
  __sync_fetch_and_add(&certain, 1);
  return record.total;
}

char LICENSE[] SEC("license") = "GPL";
