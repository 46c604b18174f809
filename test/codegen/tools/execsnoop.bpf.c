// What execsnoop does: arguments in a record that is as long as they are.
#include "vmlinux.h"

#include "execsnoop.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
const volatile bool filter_cg = false;
const volatile bool ignore_failed = true;
const volatile uid_t targ_uid = -1;
const volatile int max_args = 20;
struct event* unused_event __attribute__((unused));

struct buffer {
  unsigned char bytes[sizeof(struct event) + FULL_MAX_ARGS_ARR];
};

static const struct buffer empty = {};

struct {
  __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
  __type(key, u32);
  __type(value, u32);
  __uint(max_entries, 1);
} cgroup_map SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, pid_t);
  __type(value, struct buffer);
} execs SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, sizeof(u32));
  __uint(value_size, sizeof(u32));
} events SEC(".maps");

static __always_inline bool valid_uid(uid_t uid) { return uid != (uid_t)-1; }

SEC("raw_tp/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct* task, pid_t old, struct linux_binprm* bprm) {
  pid_t pid = bpf_get_current_pid_tgid() >> 32;
  uid_t uid = bpf_get_current_uid_gid();
  if (filter_cg && !bpf_current_task_under_cgroup(&cgroup_map, 0)) return 0;
  if (valid_uid(targ_uid) && targ_uid != uid) return 0;
  if (bpf_map_update_elem(&execs, &pid, &empty, BPF_NOEXIST)) return 0;
  struct buffer* buffer = bpf_map_lookup_elem(&execs, &pid);
  if (!buffer) return 0;
  struct event* event = (void*)buffer;
  event->pid = pid;
  event->uid = uid;
  event->ppid = BPF_CORE_READ(task, real_parent, tgid);
  event->args_count = 1;
  int n = bpf_probe_read_kernel_str(event->args, ARGSIZE, BPF_CORE_READ(bprm, filename));
  if (n > 0 && n <= ARGSIZE) event->args_size = n;
  bpf_get_current_comm(&event->comm, sizeof(event->comm));
  size_t len = sizeof(*event) + event->args_size;
  if (len <= sizeof(*buffer)) bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, event, len);
  bpf_map_delete_elem(&execs, &pid);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
