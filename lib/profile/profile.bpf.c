// Counts stacks in the kernel: how often each one was seen running, or how long it waited.
//
// There are two sets of maps. Programs write into the active one, while user space reads and empties the other.
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define MAX_DEPTH 127
#define EEXIST 17
#define NO_STACK -1
#define LOST_STACK -2
// Stacks whose place is taken by another one go into a second, smaller map. Their ids have this bit.
#define SPILLED (1 << 30)

struct stack_key {
  // When the process started, in nanoseconds since the machine was booted.
  __u64 started;
  __u32 pid;
  // Changes when the process runs another program.
  __u32 exec_id;
  __s32 kernel, user;
  char comm[16];
};

#define STACKS(name, entries)                 \
  struct {                                    \
    __uint(type, BPF_MAP_TYPE_STACK_TRACE);   \
    __uint(max_entries, entries);             \
    __uint(key_size, sizeof(__u32));          \
    __uint(value_size, MAX_DEPTH * sizeof(__u64)); \
  } name SEC(".maps")

#define COUNTS(name)                  \
  struct {                            \
    __uint(type, BPF_MAP_TYPE_HASH);  \
    __uint(max_entries, 16384);       \
    __type(key, struct stack_key);    \
    __type(value, __u64);             \
  } name SEC(".maps")

STACKS(stacks_0, 8192);
STACKS(stacks_1, 8192);
STACKS(spilled_0, 1024);
STACKS(spilled_1, 1024);
COUNTS(counts_0);
COUNTS(counts_1);

struct waiting {
  __u64 since;
  struct stack_key key;
};

// By thread. Threads that ended while they waited give way to others.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 65536);
  __type(key, __u32);
  __type(value, struct waiting);
} waiting SEC(".maps");

struct program {
  __u32 pid;
  __u32 exec_id;
};

// The programs that user space knows about.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, struct program);
  __type(value, __u8);
} known SEC(".maps");

// Those that it does not know about yet. It looks at them at once, because they may end soon.
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 65536);
} news SEC(".maps");

// 0 for all processes.
const volatile __u32 only_pid = 0;
const volatile bool with_kernel = true, with_user = true;

__u32 active = 0;
// Stacks that found no place, and samples that are in no map.
__u64 lost_stacks = 0, lost_samples = 0;

static __always_inline __s32 stack_of(void* context, __u64 flags) {
  long id = active ? bpf_get_stackid(context, &stacks_1, flags) : bpf_get_stackid(context, &stacks_0, flags);
  if (id == -EEXIST) {
    id = active ? bpf_get_stackid(context, &spilled_1, flags) : bpf_get_stackid(context, &spilled_0, flags);
    if (id >= 0) id |= SPILLED;
  }
  if (id >= 0) return id;
  if (id != -EEXIST) return NO_STACK;
  __sync_fetch_and_add(&lost_stacks, 1);
  return LOST_STACK;
}

static __always_inline void describe(void* context, struct stack_key* key) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task();
  key->started = BPF_CORE_READ(task, group_leader, start_boottime);
  key->pid = bpf_get_current_pid_tgid() >> 32;
  key->exec_id = BPF_CORE_READ(task, self_exec_id);
  key->kernel = with_kernel ? stack_of(context, 0) : NO_STACK;
  key->user = with_user ? stack_of(context, BPF_F_USER_STACK) : NO_STACK;
  bpf_get_current_comm(key->comm, sizeof(key->comm));
  if (!with_user) return;
  struct program program = {.pid = key->pid, .exec_id = key->exec_id};
  if (bpf_map_lookup_elem(&known, &program)) return;
  __u8 yes = 1;
  bpf_map_update_elem(&known, &program, &yes, BPF_ANY);
  bpf_ringbuf_output(&news, &program, sizeof(program), 0);
}

static __always_inline void add(void* counts, struct stack_key* key, __u64 amount) {
  __u64 zero = 0, *sum = bpf_map_lookup_elem(counts, key);
  if (!sum) {
    bpf_map_update_elem(counts, key, &zero, BPF_NOEXIST);
    sum = bpf_map_lookup_elem(counts, key);
  }
  if (sum)
    __sync_fetch_and_add(sum, amount);
  else
    __sync_fetch_and_add(&lost_samples, 1);
}

SEC("perf_event")
int on_tick(void* context) {
  __u32 pid = bpf_get_current_pid_tgid() >> 32;
  if (pid == 0 || (only_pid != 0 && pid != only_pid)) return 0;
  struct stack_key key = {};
  describe(context, &key);
  if (active)
    add(&counts_1, &key, 1);
  else
    add(&counts_0, &key, 1);
  return 0;
}

// The stacks of threads that wait stay where they are, so there is one set of maps.
SEC("raw_tp/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct* prev, struct task_struct* next) {
  __u64 now = bpf_ktime_get_ns(), task = bpf_get_current_pid_tgid();
  __u32 thread = task, pid = task >> 32;
  // A thread that ends does not wait.
  if (thread != 0 && (only_pid == 0 || pid == only_pid) && BPF_CORE_READ(prev, exit_state) == 0) {
    struct waiting begin = {.since = now};
    describe(ctx, &begin.key);
    bpf_map_update_elem(&waiting, &thread, &begin, BPF_ANY);
  }
  thread = BPF_CORE_READ(next, pid);
  struct waiting* began = bpf_map_lookup_elem(&waiting, &thread);
  if (!began) return 0;
  struct stack_key key = began->key;
  __u64 since = began->since;
  bpf_map_delete_elem(&waiting, &thread);
  if (now > since) add(&counts_0, &key, now - since);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
