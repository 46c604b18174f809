// Enums in keys and values, and a float, for `libbpf-node map dump`.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

enum color { RED, GREEN = 5 };
enum size { SMALL = 1, LARGE = 1ULL << 40 };

struct paint {
  enum color color;
  enum color mixed[2];
  enum size size;
  enum size bits : 3;
  union {
    enum color inner;
    u32 number;
  };
  float share;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, enum color);
  __type(value, struct paint);
} paints SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, enum color);
} per_cpu SEC(".maps");

char LICENSE[] SEC("license") = "GPL";
