// replace.bpf.c in TypeScript: counts the programs that users start.
import { bpf, hash, rawTp, rodata, u32, type u64 } from 'libbpf-node/kernel'

export const first_uid = rodata<u32>()
export const executions = hash<u32, u64>(1024)

export const count = rawTp('sched_process_exec', () => {
  const uid = u32(bpf.getCurrentUidGid())
  if (uid < first_uid) return 0
  executions.add(uid, 1)
  return 0
})

export const license = 'GPL'
