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
import { standsFor, weight } from './sampling.js'

// Linux 5.14 renamed it.
interface task_struct___before514 {
  state: u64
}

interface Latency {
  slots: array<u64, 32>
  sum: u64
}

export const since = lruHash<u32, u64>(65536)
export const run_queue_latency = percpuArray<Latency>(1)

export const onWakeup = rawTp('sched_wakeup', (task) => {
  if (weight() !== 0) since.set(u32(task.pid), bpf.ktimeGetNs())
  return 0
})

export const onNew = rawTp('sched_wakeup_new', (task) => {
  if (weight() !== 0) since.set(u32(task.pid), bpf.ktimeGetNs())
  return 0
})

export const onSwitch = rawTp('sched_switch', (_preempt, previous, next) => {
  const now = bpf.ktimeGetNs()
  // What was interrupted waits again.
  const before = flavor<task_struct___before514>(previous)
  const state: u64 = exists(before.state) ? before.state : previous.__state
  if (state === 0 && weight() !== 0) since.set(u32(previous.pid), now)
  const begin = since.get(u32(next.pid))
  if (!begin) return 0
  const waited = (now - begin.value) / 1000
  since.delete(u32(next.pid))
  const latency = run_queue_latency.get(0)
  if (!latency) return 0
  const many = standsFor()
  latency.slots[log2(waited, 31)] += many
  latency.sum += many * waited
  return 0
})

export const license = 'GPL'
