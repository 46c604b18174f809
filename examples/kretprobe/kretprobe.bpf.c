// Reports accepted TCP connections, from what a kernel function returns.
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define AF_INET 2

struct connection {
  __u32 pid;
  char comm[16];
  __u8 from[4];
  __u16 port;
};
struct connection* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} connections SEC(".maps");

SEC("kretprobe")
int BPF_KRETPROBE(on_accepted, struct sock* sk) {
  if (!sk || BPF_CORE_READ(sk, __sk_common.skc_family) != AF_INET) return 0;
  struct connection* connection = bpf_ringbuf_reserve(&connections, sizeof(*connection), 0);
  if (!connection) return 0;
  connection->pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(connection->comm, sizeof(connection->comm));
  BPF_CORE_READ_INTO(&connection->from, sk, __sk_common.skc_daddr);
  connection->port = BPF_CORE_READ(sk, __sk_common.skc_num);
  bpf_ringbuf_submit(connection, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
