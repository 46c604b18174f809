// Two versions of an agent, and one that the verifier rejects (test/objects/replace.test.ts). What they count
// is kept by both in one map.
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

const volatile __u32 producer;

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} events SEC(".maps");

static __always_inline void count(__u32 version) {
  __u64* n = bpf_map_lookup_elem(&counts, &version);
  if (n) ++*n;
}

static __always_inline int is_producer(void) { return bpf_get_current_pid_tgid() >> 32 == producer; }

SEC("?xdp")
int packets(struct xdp_md* ctx) {
  struct ethhdr* eth = (void*)(long)ctx->data;
  if ((void*)(eth + 1) > (void*)(long)ctx->data_end) return XDP_PASS;
  // For experiments, says IEEE.
  if (eth->h_proto != bpf_htons(0x88b5)) return XDP_PASS;
  count(VERSION);
  return XDP_DROP;
}

SEC("?tp/syscalls/sys_enter_getppid")
int calls(void* ctx) {
  if (is_producer()) count(VERSION);
  return 0;
}

SEC("?uprobe")
int probe(void* ctx) {
  if (is_producer()) count(VERSION);
  return 0;
}

SEC("?raw_tp/sched_process_exec")
int executions(void* ctx) {
  __u32* version = bpf_ringbuf_reserve(&events, 4, 0);
  if (version) {
    *version = VERSION;
    bpf_ringbuf_submit(version, 0);
  }
  return 0;
}

SEC("?cgroup_skb/egress")
int egress(struct __sk_buff* skb) { return 1; }

char LICENSE[] SEC("license") = "GPL";
