// Records of any size (test/events/sizes.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#define MOST (64 << 10)

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 18);
} events SEC(".maps");

// User space sets the contents of the records.
unsigned char bytes[MOST];
__u32 size;

// Writes one record of `size` bytes.
SEC("tc")
int output(struct __sk_buff* skb) {
  __u32 length = size;
  if (length > MOST) return -1;
  return bpf_ringbuf_output(&events, bytes, length, 0);
}

__u64 number;
// Every n-th record is discarded: 1 discards all, 0 none.
__u32 discard_every;

// Writes one numbered record. Test runs repeat it.
SEC("tc")
int count(struct __sk_buff* skb) {
  __u64* record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
  if (!record) return -1;
  *record = number++;
  if (discard_every && *record % discard_every == 0) {
    bpf_ringbuf_discard(record, 0);
  } else {
    bpf_ringbuf_submit(record, 0);
  }
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
