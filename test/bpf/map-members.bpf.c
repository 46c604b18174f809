// Values with members that are the kernel's (test/map-members.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#define __kptr __attribute__((btf_type_tag("kptr")))

struct locked {
  struct bpf_spin_lock lock;
  __u32 a;
  __u64 b;
};

struct timed {
  struct bpf_timer timer;
  __u64 fired;
};

struct owning {
  struct task_struct __kptr* task;
  __u64 number;
};

#define MAP(map_name, map_type, value_type) \
  struct {                                  \
    __uint(type, map_type);                 \
    __uint(max_entries, 4);                 \
    __type(key, __u32);                     \
    __type(value, value_type);              \
  } map_name SEC(".maps")

MAP(locks, BPF_MAP_TYPE_HASH, struct locked);
MAP(timers, BPF_MAP_TYPE_ARRAY, struct timed);
MAP(owners, BPF_MAP_TYPE_ARRAY, struct owning);

SEC("tc")
int add(struct __sk_buff* skb) {
  __u32 key = 1;
  struct locked* value = bpf_map_lookup_elem(&locks, &key);
  if (!value) return -1;
  bpf_spin_lock(&value->lock);
  value->a++;
  value->b += 2;
  bpf_spin_unlock(&value->lock);
  return 0;
}

static int fire(void* map, int* key, struct timed* value) {
  __sync_fetch_and_add(&value->fired, 1);
  return 0;
}

SEC("tc")
int arm(struct __sk_buff* skb) {
  __u32 key = 1;
  struct timed* value = bpf_map_lookup_elem(&timers, &key);
  if (!value) return -1;
  bpf_timer_init(&value->timer, &timers, 1 /* CLOCK_MONOTONIC */);
  bpf_timer_set_callback(&value->timer, fire);
  return bpf_timer_start(&value->timer, 0, 0);
}

// The kernel knows a kptr's type by what BTF says of it; without a use it would be a name only.
SEC("?tp_btf/sys_enter")
int use(void* ctx) { return bpf_get_current_task_btf()->pid; }

char LICENSE[] SEC("license") = "GPL";
