// What CO-RE makes of the kernel's types, as numbers (test/core.test.ts).
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct task_struct___invented {
  int invented_member;
} __attribute__((preserve_access_index));

int task_size = 0;
int tgid_offset = 0;
int has_invented = 0;
int hash_type = 0;

SEC("tc")
int ask(struct __sk_buff* skb) {
  task_size = bpf_core_type_size(struct task_struct);
  tgid_offset = bpf_core_field_offset(struct task_struct, tgid);
  has_invented = bpf_core_field_exists(struct task_struct___invented, invented_member);
  hash_type = bpf_core_enum_value(enum bpf_map_type, BPF_MAP_TYPE_HASH);
  return 0;
}

char LICENSE[] SEC("license") = "GPL";
