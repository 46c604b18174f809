// Each thing that a program can be attached to a cgroup for, and allows (test/attach/cgroup-types.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

__u64 runs[28];

#define ALLOW(section, name, i)        \
  SEC("?" section)                     \
  int name(void* ctx) {                \
    __sync_fetch_and_add(&runs[i], 1); \
    return 1;                          \
  }

ALLOW("cgroup_skb/ingress", skb_ingress, 0)
ALLOW("cgroup_skb/egress", skb_egress, 1)
ALLOW("cgroup/sock_create", sock_create, 2)
ALLOW("cgroup/sock_release", sock_release, 3)
ALLOW("cgroup/post_bind4", post_bind4, 4)
ALLOW("cgroup/post_bind6", post_bind6, 5)
ALLOW("cgroup/bind4", bind4, 6)
ALLOW("cgroup/bind6", bind6, 7)
ALLOW("cgroup/connect4", connect4, 8)
ALLOW("cgroup/connect6", connect6, 9)
ALLOW("cgroup/sendmsg4", sendmsg4, 10)
ALLOW("cgroup/sendmsg6", sendmsg6, 11)
ALLOW("cgroup/recvmsg4", recvmsg4, 12)
ALLOW("cgroup/recvmsg6", recvmsg6, 13)
ALLOW("cgroup/getpeername4", getpeername4, 14)
ALLOW("cgroup/getpeername6", getpeername6, 15)
ALLOW("cgroup/getsockname4", getsockname4, 16)
ALLOW("cgroup/getsockname6", getsockname6, 17)
ALLOW("cgroup/connect_unix", connect_unix, 18)
ALLOW("cgroup/sendmsg_unix", sendmsg_unix, 19)
ALLOW("cgroup/recvmsg_unix", recvmsg_unix, 20)
ALLOW("cgroup/getpeername_unix", getpeername_unix, 21)
ALLOW("cgroup/getsockname_unix", getsockname_unix, 22)
ALLOW("cgroup/sysctl", sysctl, 23)
ALLOW("cgroup/getsockopt", getsockopt, 24)
ALLOW("cgroup/setsockopt", setsockopt, 25)
ALLOW("cgroup/dev", device, 26)
ALLOW("sockops", sockops, 27)

char LICENSE[] SEC("license") = "GPL";
