// How long disks take, from when a request goes to a disk until it is done, in microseconds. Before Linux 5.11 the
// tracepoint block_rq_issue has other arguments, and nothing is measured.
import {
  type array,
  bpf,
  exists,
  log2,
  lruHash,
  lruPercpuHash,
  rawTp,
  u32,
  u64,
  zero,
} from 'libbpf-node/kernel'
import { type Begin, weight } from './sampling.js'

interface Key {
  device: u32
  operation: u32
}
interface Latency {
  slots: array<u64, 32>
  sum: u64
}

export const since = lruHash<u64, Begin>(16384)
export const block_latency = lruPercpuHash<Key, Latency>(1024)

export const onIssue = rawTp('block_rq_issue', (rq) => {
  const many = weight()
  // A request that is left out must not keep the time of an earlier one at the same address.
  if (many === 0) since.delete(u64(rq))
  else since.set(u64(rq), { at: bpf.ktimeGetNs(), many })
  return 0
})

export const onComplete = rawTp('block_rq_complete', (rq) => {
  const begin = since.get(u64(rq))
  if (!begin) return 0
  const many = begin.many
  const took = (bpf.ktimeGetNs() - begin.at) / 1000
  since.delete(u64(rq))
  const key: Key = { device: 0, operation: u32(rq.cmd_flags) & 0xff }
  // Before Linux 5.15 a queue does not know its disk.
  if (exists(rq.q.disk)) key.device = (u32(rq.q.disk.major) << 20) | u32(rq.q.disk.first_minor)
  const found = block_latency.get(key)
  if (!found) block_latency.setNew(key, zero<Latency>())
  const latency = block_latency.get(key)
  if (!latency) return 0
  latency.slots[log2(took, 31)] += many
  latency.sum += many * took
  return 0
})

export const license = 'GPL'
