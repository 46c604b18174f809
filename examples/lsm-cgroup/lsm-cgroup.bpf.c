// Lets the servers of a cgroup listen on the loopback interface only.
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define AF_INET 2
#define AF_INET6 10

__u64 allowed, refused;

static bool is_loopback(struct sockaddr* address) {
  __u16 family = BPF_CORE_READ(address, sa_family);
  if (family == AF_INET) {
    struct sockaddr_in* in = (void*)address;
    return bpf_ntohl(BPF_CORE_READ(in, sin_addr.s_addr)) >> 24 == 127;
  }
  if (family != AF_INET6) return true;
  struct sockaddr_in6* in6 = (void*)address;
  __u64 half[2];
  BPF_CORE_READ_INTO(&half, in6, sin6_addr);
  return half[0] == 0 && half[1] == bpf_cpu_to_be64(1);
}

// For cgroup programs, 1 allows and 0 refuses.
SEC("lsm_cgroup/socket_bind")
int BPF_PROG(on_bind, struct socket* socket, struct sockaddr* address, int size) {
  bool yes = is_loopback(address);
  __sync_fetch_and_add(yes ? &allowed : &refused, 1);
  return yes;
}

char LICENSE[] SEC("license") = "GPL";
