// Reports outgoing TCP connections, from the arguments of a kernel function.
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct connection {
  __u32 pid;
  char comm[16];
  __u8 address[4];
  __u16 port;  // big-endian, as on the wire
};
struct connection* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} connections SEC(".maps");

SEC("kprobe")
int BPF_KPROBE(on_connect, struct sock* sk, struct sockaddr_in* to) {
  struct connection* connection = bpf_ringbuf_reserve(&connections, sizeof(*connection), 0);
  if (!connection) return 0;
  connection->pid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(connection->comm, sizeof(connection->comm));
  BPF_CORE_READ_INTO(&connection->address, to, sin_addr);
  connection->port = BPF_CORE_READ(to, sin_port);
  bpf_ringbuf_submit(connection, 0);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
