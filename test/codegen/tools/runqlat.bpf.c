// What runqlat does: histograms of how long tasks wait for a CPU.
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define MAX_SLOTS 26

struct hist {
  __u32 slots[MAX_SLOTS];
  char comm[16];
};
const volatile bool targ_per_process = true;
const volatile bool targ_ms = false;
const volatile pid_t targ_tgid = 0;

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, u32);
  __type(value, u64);
} start SEC(".maps");

static struct hist zero;

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10240);
  __type(key, u32);
  __type(value, struct hist);
} hists SEC(".maps");

static __always_inline u64 log2l(u64 v) {
  u64 r = 0;
  for (int i = 0; i < 64; i++) {
    v >>= 1;
    if (!v) break;
    r++;
  }
  return r;
}

static int trace_enqueue(u32 tgid, u32 pid) {
  u64 ts;
  if (!pid) return 0;
  if (targ_tgid && targ_tgid != tgid) return 0;
  ts = bpf_ktime_get_ns();
  bpf_map_update_elem(&start, &pid, &ts, BPF_ANY);
  return 0;
}

SEC("tp_btf/sched_wakeup") int BPF_PROG(sched_wakeup, struct task_struct* p) {
  return trace_enqueue(p->tgid, p->pid);
}

SEC("tp_btf/sched_wakeup_new") int BPF_PROG(sched_wakeup_new, struct task_struct* p) {
  return trace_enqueue(p->tgid, p->pid);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct* prev, struct task_struct* next) {
  u32 pid = next->pid, hkey = targ_per_process ? next->tgid : -1;
  u64 *tsp, slot;
  s64 delta;
  struct hist* histp;
  if (prev->__state == 0) trace_enqueue(prev->tgid, prev->pid);
  tsp = bpf_map_lookup_elem(&start, &pid);
  if (!tsp) return 0;
  delta = bpf_ktime_get_ns() - *tsp;
  if (delta < 0) goto cleanup;
  histp = bpf_map_lookup_elem(&hists, &hkey);
  if (!histp) {
    bpf_map_update_elem(&hists, &hkey, &zero, BPF_NOEXIST);
    histp = bpf_map_lookup_elem(&hists, &hkey);
    if (!histp) goto cleanup;
    BPF_CORE_READ_STR_INTO(&histp->comm, next, comm);
  }
  delta /= targ_ms ? 1000000U : 1000U;
  slot = log2l(delta);
  if (slot >= MAX_SLOTS) slot = MAX_SLOTS - 1;
  __sync_fetch_and_add(&histp->slots[slot], 1);
cleanup:
  bpf_map_delete_elem(&start, &pid);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
