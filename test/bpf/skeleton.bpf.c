// What test/codegen generates TypeScript from: a bit of everything, and names that are hard to take.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "libbpf-node.bpf.h"

enum outcome { OUTCOME_OK, OUTCOME_FAILED = 7 };

struct event {
  int pid LIBBPF_NODE_DOC("The process.");
  enum outcome outcome;
  char comm[16] LIBBPF_NODE_DOC("Its name; */ ends no comment.");
  struct {
    __u16 port;
    union {
      __u32 v4;
      __u8 v6[16];
    };
  } addr;
  __u32 urgent : 1;
  __u32 level : 7;
} LIBBPF_NODE_DOC("One execution.");
struct event* unused_event __attribute__((unused));

// JavaScript means something else by these.
struct await {
  int constructor;
  int __proto__;
  int function;
  int await;
};
struct Object {
  struct await class;
  __u64 yield;
};
struct Map {
  __u8 get;
};
typedef struct {
  __u64 count;
  struct {
    __u32 deep;
  } inner;
} counter_t;

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 16);
} events SEC(".maps") LIBBPF_NODE_RECORD(struct event) LIBBPF_NODE_DOC("What was executed.");

// A method of every object has this name.
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 12);
} load SEC(".maps");

LIBBPF_NODE_EVENTS(either, 1 << 12, struct Object);

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, struct await);
  __type(value, counter_t);
} counters SEC(".maps");

// Every Map has one.
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} size SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct Map);
} tiny SEC(".maps");

const volatile __u64 min_ns = 5;
const volatile enum outcome wanted = OUTCOME_FAILED;
struct Object object;
__u64 seen;
int delete = 3;
__u32 limits[4] SEC(".data.limits") = {1, 2, 3, 4};

extern int LINUX_KERNEL_VERSION __kconfig;

SEC("raw_tp/sched_process_exec")
int on_exec(void* ctx) {
  struct event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) return 0;
  __builtin_memset(event, 0, sizeof(*event));
  event->pid = bpf_get_current_pid_tgid() >> 32;
  event->outcome = wanted;
  event->addr.port = min_ns;
  event->addr.v4 = 0x7f000001;
  event->urgent = 1;
  event->level = limits[2];
  bpf_get_current_comm(event->comm, sizeof(event->comm));
  bpf_ringbuf_submit(event, 0);
  __sync_fetch_and_add(&seen, 1);
  return 0;
}

SEC("tc")
int touch(struct __sk_buff* skb) {
  struct await key = {.constructor = 1, .__proto__ = 2, .function = 3, .await = 4};
  counter_t counter = {.count = object.yield, .inner = {LINUX_KERNEL_VERSION}};
  bpf_map_update_elem(&counters, &key, &counter, BPF_ANY);
  return either_use_perf + delete;
}

char LICENSE[] SEC("license") = "GPL";
