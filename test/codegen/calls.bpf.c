// Reads the first argument of kill(2), which is in another register on each machine.
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct seen {
  __u64 argument;
  char comm[16];
};
struct seen seen;
__u32 wanted;
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct seen);
} copies SEC(".maps");

#ifdef __TARGET_ARCH_arm64
#define KILL 129
#else
#define KILL 62
#endif

SEC("raw_tp/sys_enter")
int BPF_PROG(on_enter, struct pt_regs* regs, long id) {
  __u32 zero = 0;
  if (id != KILL || bpf_get_current_pid_tgid() >> 32 != wanted) return 0;
  seen.argument = PT_REGS_PARM1_CORE_SYSCALL(regs);
  bpf_get_current_comm(seen.comm, sizeof(seen.comm));
  bpf_map_update_elem(&copies, &zero, &seen, 0);
  return 0;
}

SEC("kprobe/do_unlinkat")
int BPF_KPROBE(on_unlink, int folder, void* name) { return folder + (long)name; }

char LICENSE[] SEC("license") = "GPL";
