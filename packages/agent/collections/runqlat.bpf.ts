// How long threads wait for a CPU, from when they could run until they run, in microseconds.
import {
  type array,
  bpf,
  exists,
  flavor,
  log2,
  lruHash,
  percpuArray,
  rawTp,
  u32,
  type u64,
} from 'libbpf-node/kernel'
import { type Begin, weight } from './sampling.js'

// Linux 5.14 renamed it.
interface task_struct___before514 {
  state: u64
}

interface Latency {
  slots: array<u64, 32>
  sum: u64
}

export const since = lruHash<u32, Begin>(65536)
export const run_queue_latency = percpuArray<Latency>(1)

/** Remembers that a thread can run. The idle thread of each CPU has the number 0 and waits for nothing. */
function waits(pid: u32): u32 {
  if (pid === 0) return 0
  const many = weight()
  // A thread that is left out must not keep an older time: a thread may be woken twice before it waits.
  if (many === 0) since.delete(pid)
  else since.set(pid, { at: bpf.ktimeGetNs(), many })
  return 0
}

export const onWakeup = rawTp('sched_wakeup', (task) => waits(u32(task.pid)))

export const onNew = rawTp('sched_wakeup_new', (task) => waits(u32(task.pid)))

export const onSwitch = rawTp('sched_switch', (_preempt, previous, next) => {
  // What was interrupted waits again.
  const before = flavor<task_struct___before514>(previous)
  const state: u64 = exists(before.state) ? before.state : previous.__state
  if (state === 0) waits(u32(previous.pid))
  const begin = since.get(u32(next.pid))
  if (!begin) return 0
  const many = begin.many
  const waited = (bpf.ktimeGetNs() - begin.at) / 1000
  since.delete(u32(next.pid))
  const latency = run_queue_latency.get(0)
  if (!latency) return 0
  latency.slots[log2(waited, 31)] += many
  latency.sum += many * waited
  return 0
})

export const license = 'GPL'
