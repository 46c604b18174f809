// What tcpconnect does: addresses of either family in unions, counts by flow.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct ipv4_flow_key {
  __u32 saddr;
  __u32 daddr;
  __u16 dport;
  __u16 sport;
};

struct ipv6_flow_key {
  __u8 saddr[16];
  __u8 daddr[16];
  __u16 dport;
  __u16 sport;
};

struct event {
  union {
    __u32 saddr_v4;
    __u8 saddr_v6[16];
  };
  union {
    __u32 daddr_v4;
    unsigned __int128 daddr_v6;
  };
  char task[16];
  __u64 ts_us;
  __u32 af;
  __u32 pid;
  __u32 uid;
  __u16 lport;
  __be16 dport;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, struct ipv4_flow_key);
  __type(value, __u64);
} ipv4_count SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, struct ipv6_flow_key);
  __type(value, __u64);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} ipv6_count SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 65536);
} events SEC(".maps") __attribute__((btf_decl_tag("record:struct event")));
const volatile int filter_ports[64];
const volatile int filter_ports_len = 0;
const volatile struct {
  __u8 v6[16];
} only = {};
struct event* unused_event __attribute__((unused));

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(set_state, struct sock* sk, int oldstate, int newstate) {
  static const __u64 one = 1;
  if (newstate != TCP_SYN_SENT) return 0;
  for (int i = 0; i < filter_ports_len && i < 64; i++)
    if (filter_ports[i] == 1) return 0;
  struct ipv4_flow_key key = {};
  key.saddr = sk->__sk_common.skc_rcv_saddr;
  key.daddr = sk->__sk_common.skc_daddr;
  key.dport = sk->__sk_common.skc_dport;
  bpf_map_update_elem(&ipv4_count, &key, &one, 0);
  struct event* e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
  if (!e) return 0;
  __builtin_memset(e, 0, sizeof *e);
  e->saddr_v4 = key.saddr;
  e->daddr_v4 = key.daddr;
  e->dport = key.dport;
  e->af = sk->__sk_common.skc_family;
  e->lport = sk->__sk_common.skc_num;
  e->pid = bpf_get_current_pid_tgid() >> 32;
  e->ts_us = bpf_ktime_get_ns() / 1000;
  bpf_get_current_comm(e->task, 16);
  bpf_ringbuf_submit(e, 0);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
