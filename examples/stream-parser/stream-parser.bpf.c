// Holds back what the sockets of the map receive until a record is complete.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_SOCKHASH);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u64);
} sockets SEC(".maps");

const volatile __u32 size = 1;
__u64 records;

// Returns the length of the next record. It may only depend on the first bytes of a record if clients wait
// for an answer before they send the next one: the kernel does not say where each of several records begins.
SEC("sk_skb/stream_parser")
int how_long(struct __sk_buff* skb) { return size; }

// Decides what happens to a record: it could also be dropped, or redirected to another socket.
SEC("sk_skb/stream_verdict")
int whole(struct __sk_buff* skb) {
  __sync_fetch_and_add(&records, 1);
  return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
