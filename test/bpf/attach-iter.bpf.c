// Iterators (test/attach/iter.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

struct entry {
  __u32 key;
  __u32 value;
};
struct entry* for_btf __attribute__((unused));

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 10000);
  __type(key, __u32);
  __type(value, __u32);
} numbers SEC(".maps");

SEC("?iter/task")
int tasks(struct bpf_iter__task* ctx) {
  struct task_struct* task = ctx->task;
  if (!task) return 0;
  BPF_SEQ_PRINTF(ctx->meta->seq, "%d %d %s\n", task->tgid, task->pid, task->comm);
  return 0;
}

SEC("?iter/bpf_map_elem")
int entries(struct bpf_iter__bpf_map_elem* ctx) {
  __u32 *key = ctx->key, *value = ctx->value;
  if (!key || !value) return 0;
  struct entry entry = {*key, *value};
  bpf_seq_write(ctx->meta->seq, &entry, sizeof(entry));
  return 0;
}

SEC("?iter/cgroup")
int cgroups(struct bpf_iter__cgroup* ctx) {
  struct cgroup* cgroup = ctx->cgroup;
  if (!cgroup) return 0;
  BPF_SEQ_PRINTF(ctx->meta->seq, "%llu\n", cgroup->kn->id);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
