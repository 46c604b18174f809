// A producer with settings: each test run of `emit` writes one record (test/helpers/producer.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct record {
  __u64 number;
};

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 20);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} not_a_ring SEC(".maps");

// The first 8 bytes of a record are its number. User space sets the others here.
unsigned char blob[128 << 10];
__u32 size = sizeof(struct record);
// BPF_RB_NO_WAKEUP or BPF_RB_FORCE_WAKEUP.
__u64 flags;
// Before every n-th record, another one is reserved and discarded; 0 for none.
__u32 discard_every;

__u64 emitted;
__u64 discarded;
__u64 lost;

struct record* for_btf __attribute__((unused));

SEC("tc")
int emit(struct __sk_buff* skb) {
  __u32 length = size;
  if (length < sizeof(__u64) || length > sizeof(blob)) return -1;
  if (discard_every != 0 && emitted % discard_every == 0) {
    void* reserved = bpf_ringbuf_reserve(&events, 32, 0);
    if (reserved) bpf_ringbuf_discard(reserved, 0);
    discarded++;
  }
  *(__u64*)blob = emitted;
  if (bpf_ringbuf_output(&events, blob, length, flags) == 0) {
    emitted++;
  } else {
    lost++;
  }
  return 0;
}

SEC("tc")
int discard(struct __sk_buff* skb) {
  void* reserved = bpf_ringbuf_reserve(&events, 32, 0);
  if (!reserved) return -1;
  bpf_ringbuf_discard(reserved, 0);
  discarded++;
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
