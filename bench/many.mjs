// Writes the sources of objects with so many programs, or structs with so many members.
import { writeFileSync } from 'node:fs'

export const programCounts = [1, 50, 200, 500]
export const memberCounts = [8, 32, 64, 127, 128, 256, 320]

const times = (count, make) => Array.from({ length: count }, (_, i) => make(i)).join('\n')
const head = `#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
`

/** The hook is one that hardly ever runs. */
export function writePrograms(path, count) {
  writeFileSync(
    path,
    `${head}struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");
${times(
  count,
  (i) => `SEC("raw_tp/cgroup_mkdir") int program${i}(void *context) {
  __u32 key = ${i};
  __u64 *value = bpf_map_lookup_elem(&counts, &key);
  if (value) __sync_fetch_and_add(value, 1);
  return 0;
}`,
)}
`,
  )
}

export function writeMembers(path) {
  const struct = (count) =>
    `struct m${count} { ${times(count, (i) => `__u32 member${i};`)} };\nstruct m${count} *keep${count};`
  writeFileSync(path, `${head}${memberCounts.map(struct).join('\n')}\n`)
}
