// Records the stacks of one process when it makes one kind of system call: as addresses, and as build ids.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

// A map each: two stacks with one hash would not both find room.
struct {
  __uint(type, BPF_MAP_TYPE_STACK_TRACE);
  __uint(max_entries, 64);
  __uint(key_size, sizeof(__u32));
  __uint(value_size, 127 * sizeof(__u64));
} kernel_stacks SEC(".maps"), user_stacks SEC(".maps");

struct user_stack {
  struct bpf_stack_build_id frames[32];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct user_stack);
} build_ids SEC(".maps");

// The number of the system call to look at.
const volatile __u32 call;
const volatile __u32 target;
__s64 kernel_stack = -1, user_stack = -1, build_id_bytes = 0;

SEC("raw_tp/sys_enter")
int on_call(struct bpf_raw_tracepoint_args* ctx) {
  if (bpf_get_current_pid_tgid() >> 32 != target || ctx->args[1] != call || build_id_bytes > 0) return 0;
  kernel_stack = bpf_get_stackid(ctx, &kernel_stacks, 0);
  user_stack = bpf_get_stackid(ctx, &user_stacks, BPF_F_USER_STACK);
  __u32 zero = 0;
  struct user_stack* stack = bpf_map_lookup_elem(&build_ids, &zero);
  if (!stack) return 0;
  build_id_bytes = bpf_get_stack(ctx, stack, sizeof(*stack), BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
