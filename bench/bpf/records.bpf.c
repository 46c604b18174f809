// A record like those of network tools, only for its codec: the object is not loaded.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct endpoint {
  __u8 address[16];
  __u16 port;
  __u16 family;
};

struct connection {
  __u64 time;
  __u32 pid;
  __u32 uid;
  char comm[16];
  struct endpoint local, remote;
  __s32 error;
  __u32 state : 4;
  __u32 retries : 12;
  _Bool inbound;
  __u64 sent, received;
  __u32 round_trips[4];
};

// clang emits BTF only for types that a global refers to.
struct connection* connection_unused __attribute__((unused));
