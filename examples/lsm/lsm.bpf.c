// Lets the processes of a cgroup create AF_UNIX sockets only.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define AF_UNIX 1
#define EPERM 1

const volatile __u64 cgroup_id;
__u64 allowed, refused;

SEC("lsm/socket_create")
int BPF_PROG(on_socket, int family, int type, int protocol, int kern, int verdict) {
  // Do not allow what another program has refused.
  if (verdict != 0 || kern || bpf_get_current_cgroup_id() != cgroup_id) return verdict;
  if (family == AF_UNIX) {
    __sync_fetch_and_add(&allowed, 1);
    return 0;
  }
  __sync_fetch_and_add(&refused, 1);
  return -EPERM;
}

char LICENSE[] SEC("license") = "GPL";
