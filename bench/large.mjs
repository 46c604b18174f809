// Writes the source of an object with many programs, maps and CO-RE relocations.
import { writeFileSync } from 'node:fs'

const programs = 200
const maps = 40
// Each program reads a few members, whose offsets libbpf looks up in the kernel's BTF.
const fields = [
  ['pid', 'tgid', 'start_time', 'real_parent->tgid', 'real_parent->comm[0]'],
  ['mm->total_vm', 'mm->start_stack', 'mm->pgd', 'mm->map_count'],
  ['signal->nr_threads', 'group_leader->pid', 'exit_code', 'exit_signal'],
  ['nsproxy->net_ns->ns.inum', 'nsproxy->uts_ns->ns.inum', 'cred->uid.val', 'cred->euid.val'],
  ['files->fdt->max_fds', 'fs->umask', 'utime', 'stime', 'se.vruntime'],
]

const times = (count, make) => Array.from({ length: count }, (_, i) => make(i)).join('\n')
const read = (path) => `  sum += (__u64)BPF_CORE_READ(task, ${path.replaceAll('->', ', ')});`

export function writeLarge(path) {
  writeFileSync(
    path,
    `#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
${times(
  maps,
  (i) => `struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} map${i} SEC(".maps");`,
)}
${times(
  programs,
  (i) => `SEC("raw_tp/sched_switch") int program${i}(void *context) {
  struct task_struct *task = (void *)bpf_get_current_task();
  __u64 sum = 0;
  __u32 key = ${i};
${fields[i % fields.length].map(read).join('\n')}
  bpf_map_update_elem(&map${i % maps}, &key, &sum, BPF_ANY);
  return 0;
}`,
)}
`,
  )
}
