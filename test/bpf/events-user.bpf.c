// The consumer of a user ring buffer (test/events/user-ring-buffer.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct user_command {
  __u32 kind;
  __u64 value;
  char name[16];
};
struct user_command* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_USER_RINGBUF);
  __uint(max_entries, 1 << 12);
} commands SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} not_a_ring SEC(".maps");

__u64 samples;
__u64 sum;
struct user_command last;
// How many samples a run reads, at most.
__u32 limit = 1 << 20;
// BPF_RB_NO_WAKEUP or BPF_RB_FORCE_WAKEUP.
__u64 flags;

static long take(struct bpf_dynptr* sample, void* left) {
  __u64* number = bpf_dynptr_data(sample, 0, sizeof(*number));
  if (number) sum += *number;
  bpf_dynptr_read(&last, sizeof(last), sample, 0, 0);
  samples++;
  return --*(__u32*)left == 0;
}

SEC("syscall")
int drain(void* ctx) {
  __u32 left = limit;
  return bpf_user_ringbuf_drain(&commands, take, &left, flags);
}

char LICENSE[] SEC("license") = "GPL";
