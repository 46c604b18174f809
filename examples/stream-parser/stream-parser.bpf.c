// Keeps what comes to the sockets of the map until a whole record is there.
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

// How long the next record is. It could look at the first bytes, if clients wait for an answer before they
// send another: of several that have come at once the kernel does not say where each begins.
SEC("sk_skb/stream_parser")
int how_long(struct __sk_buff* skb) { return size; }

// What becomes of it: could as well be dropped, or sent on to another socket.
SEC("sk_skb/stream_verdict")
int whole(struct __sk_buff* skb) {
  __sync_fetch_and_add(&records, 1);
  return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
