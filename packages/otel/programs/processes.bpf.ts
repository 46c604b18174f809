// Reports which processes start a program, and in which cgroups processes end.
import { bpf, hash, lruHash, rawTp, ringbuf, u32, type u64 } from 'libbpf-node/kernel'

interface Change {
  cgroup: u64
  pid: u32
  ended: u32
}

/** Cgroups whose processes nobody asks about. */
export const ignored = lruHash<u64, u32>(16384)
/** Cgroups where somebody wants to know that a process has ended. */
export const watched = hash<u64, u32>(16384)
export const changes = ringbuf<Change>(262144, { countLost: true })

export const onExec = rawTp('sched_process_exec', (task) => {
  const cgroup = bpf.getCurrentCgroupId()
  if (!ignored.get(cgroup)) changes.emit({ cgroup, pid: u32(task.tgid), ended: 0 })
  return 0
})

export const onExit = rawTp('sched_process_exit', (task) => {
  // The last thread of the process.
  if (task.signal.live.counter !== 0) return 0
  const cgroup = bpf.getCurrentCgroupId()
  if (watched.get(cgroup)) changes.emit({ cgroup, pid: u32(task.tgid), ended: 1 })
  return 0
})

export const license = 'GPL'
