// Records what processes do: they start and end, open files, and make TCP connections. One ring buffer has
// the records of all four kinds.
// clang-format off
#include "vmlinux.h"  // has types that the other headers need
// clang-format on
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

// vmlinux.h has the types of the kernel, but no macros.
#define AF_INET 2
#define AF_INET6 10
#define PF_KTHREAD 0x00200000
#define SIGNAL_GROUP_EXIT 0x00000004
#define COMM_SIZE 16
// Paths can have 4096 bytes, but they are cut at this length: a record always takes its full size in the
// ring.
#define PATH_SIZE 512

char LICENSE[] SEC("license") = "GPL";

// Set before loading. They are constants for the verifier, so a filter that is off costs nothing.
const volatile __u32 own_pid = 0;
const volatile __u32 target_pid = 0;
const volatile char target_comm[COMM_SIZE] = "";

// Records that found no room in the ring. User space reads this while the programs run.
__u64 lost = 0;

enum kind { KIND_EXEC = 1, KIND_EXIT, KIND_OPEN, KIND_CONNECT };

struct process {
  __u32 pid;
  char comm[COMM_SIZE];
};

// Every record starts with this header. `kind` comes first, because it tells the reader what follows.
struct header {
  enum kind kind;
  struct process process;
  struct process parent;
  __u64 time;  // ns, CLOCK_MONOTONIC
};

struct exec_record {
  struct header header;
  char filename[PATH_SIZE];
};

struct exit_record {
  struct header header;
  __u64 duration;  // ns, since the fork
  __u32 status;    // as in wait(2)
};

struct open_record {
  struct header header;
  __u64 flags;
  __u32 mode;
  __s32 result;  // file descriptor or -errno
  char path[PATH_SIZE];
};

struct connect_record {
  struct header header;
  __u64 duration;    // ns, until it was established or failed
  __u8 address[16];  // IPv6, or IPv4 as ::ffff:a.b.c.d
  __u16 port;
  bool established;
  __u32 error;  // errno; 0 if the process gave up before it was established
};

// clang emits BTF only for types that a global refers to; the reader needs these.
const union {
  struct exec_record exec;
  struct exit_record exit;
  struct open_record open;
  struct connect_record connect;
}* record_types __attribute__((unused));

// Room for 28,000 opened files: half a second on a busy machine, where the reader may have to wait for a CPU.
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 16 << 20);
} events SEC(".maps");

struct open_arguments {
  const char* path;
  __u64 flags;
  __u32 mode;
};

// Threads that are in a system call that opens a file.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, __u64);
  __type(value, struct open_arguments);
} opening SEC(".maps");

// Sockets that wait for the answer to a SYN. It arrives in an interrupt while another task may be running, so
// the record with the connecting process is kept here.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, __u64);
  __type(value, struct connect_record);
} connecting SEC(".maps");

static __always_inline void count_lost(void) { __sync_fetch_and_add(&lost, 1); }

static __always_inline bool wanted(const struct header* header) {
  if (target_pid && header->process.pid != target_pid && header->parent.pid != target_pid) return false;
  if (!target_comm[0]) return true;
  for (int i = 0; i < COMM_SIZE; i++) {
    if (header->process.comm[i] != target_comm[i]) return false;
    if (!target_comm[i]) break;
  }
  return true;
}

// Describes the process of a task by its main thread, because other threads can have names of their own.
// False if the process is filtered out.
static __always_inline bool describe(struct header* header, enum kind kind, struct task_struct* task) {
  header->kind = kind;
  header->time = bpf_ktime_get_ns();
  header->process.pid = BPF_CORE_READ(task, tgid);
  header->parent.pid = BPF_CORE_READ(task, real_parent, tgid);
  BPF_CORE_READ_STR_INTO(&header->process.comm, task, group_leader, comm);
  BPF_CORE_READ_STR_INTO(&header->parent.comm, task, real_parent, group_leader, comm);
  return wanted(header);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct* task, pid_t old_pid, struct linux_binprm* bprm) {
  struct header header = {};
  if (!describe(&header, KIND_EXEC, task)) return 0;

  struct exec_record* record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
  if (!record) {
    count_lost();
    return 0;
  }
  record->header = header;
  if (bpf_probe_read_kernel_str(record->filename, PATH_SIZE, BPF_CORE_READ(bprm, filename)) < 0) {
    record->filename[0] = 0;
  }
  bpf_ringbuf_submit(record, 0);
  return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct* task) {
  if (BPF_CORE_READ(task, flags) & PF_KTHREAD) return 0;
  // This runs for every thread. The process ends with its main thread, unless that thread leaves others
  // behind (it called pthread_exit) or another one takes its place (which called exec).
  if (BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid)) return 0;
  bool last = BPF_CORE_READ(task, signal, live.counter) == 0;
  bool all_end = BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT;
  if (!last && !all_end) return 0;

  struct header header = {};
  if (!describe(&header, KIND_EXIT, task)) return 0;

  struct exit_record* record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
  if (!record) {
    count_lost();
    return 0;
  }
  record->header = header;
  record->duration = header.time - BPF_CORE_READ(task, start_time);
  record->status = BPF_CORE_READ(task, exit_code);
  bpf_ringbuf_submit(record, 0);
  return 0;
}

static __always_inline int open_entered(const char* path, __u64 flags, __u32 mode) {
  __u64 thread = bpf_get_current_pid_tgid();
  if (thread >> 32 == own_pid) return 0;
  struct open_arguments arguments = {.path = path, .flags = flags, .mode = mode};
  if (bpf_map_update_elem(&opening, &thread, &arguments, BPF_ANY)) count_lost();
  return 0;
}

static __always_inline int open_left(long result) {
  __u64 thread = bpf_get_current_pid_tgid();
  struct open_arguments* arguments = bpf_map_lookup_elem(&opening, &thread);
  if (!arguments) return 0;

  struct header header = {};
  if (!describe(&header, KIND_OPEN, (void*)bpf_get_current_task())) goto done;

  struct open_record* record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
  if (!record) {
    count_lost();
    goto done;
  }
  record->header = header;
  record->flags = arguments->flags;
  record->mode = arguments->mode;
  record->result = result;
  // Not read on entry, because the page may not have been in memory then. Now the kernel has read it.
  if (bpf_probe_read_user_str(record->path, PATH_SIZE, arguments->path) < 0) record->path[0] = 0;
  bpf_ringbuf_submit(record, 0);
done:
  bpf_map_delete_elem(&opening, &thread);
  return 0;
}

SEC("tp/syscalls/sys_enter_open")
int enter_open(struct trace_event_raw_sys_enter* ctx) {
  return open_entered((const char*)ctx->args[0], ctx->args[1], ctx->args[2]);
}

SEC("tp/syscalls/sys_exit_open")
int exit_open(struct trace_event_raw_sys_exit* ctx) { return open_left(ctx->ret); }

SEC("tp/syscalls/sys_enter_openat")
int enter_openat(struct trace_event_raw_sys_enter* ctx) {
  return open_entered((const char*)ctx->args[1], ctx->args[2], ctx->args[3]);
}

SEC("tp/syscalls/sys_exit_openat")
int exit_openat(struct trace_event_raw_sys_exit* ctx) { return open_left(ctx->ret); }

SEC("tp/syscalls/sys_enter_openat2")
int enter_openat2(struct trace_event_raw_sys_enter* ctx) {
  struct open_how how = {};
  bpf_probe_read_user(&how, sizeof(how), (const void*)ctx->args[2]);
  return open_entered((const char*)ctx->args[1], how.flags, how.mode);
}

SEC("tp/syscalls/sys_exit_openat2")
int exit_openat2(struct trace_event_raw_sys_exit* ctx) { return open_left(ctx->ret); }

// The states of a connecting socket: CLOSE, SYN_SENT in the task that connects, then ESTABLISHED or CLOSE.
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_state, const struct sock* sk, int old_state, int new_state) {
  __u64 socket = (__u64)sk;

  if (new_state == TCP_SYN_SENT && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP) {
    struct connect_record record = {};
    if (!describe(&record.header, KIND_CONNECT, (void*)bpf_get_current_task())) return 0;
    if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) {
      BPF_CORE_READ_INTO(&record.address, sk, __sk_common.skc_v6_daddr);
    } else {
      record.address[10] = record.address[11] = 0xff;
      __be32 address = BPF_CORE_READ(sk, __sk_common.skc_daddr);
      __builtin_memcpy(&record.address[12], &address, sizeof(address));
    }
    record.port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
    if (bpf_map_update_elem(&connecting, &socket, &record, BPF_ANY)) count_lost();
    return 0;
  }

  if (new_state != TCP_ESTABLISHED && new_state != TCP_CLOSE) return 0;
  struct connect_record* record = bpf_map_lookup_elem(&connecting, &socket);
  if (!record) return 0;
  record->duration = bpf_ktime_get_ns() - record->header.time;
  record->established = new_state == TCP_ESTABLISHED;
  if (!record->established) record->error = BPF_CORE_READ(sk, sk_err);
  if (bpf_ringbuf_output(&events, record, sizeof(*record), 0)) count_lost();
  bpf_map_delete_elem(&connecting, &socket);
  return 0;
}
