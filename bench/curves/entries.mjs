import { BpfObject } from 'libbpf-node'
import { leastCpu } from './cpu-time.mjs'

export const title = 'Reading all entries of a hash, u32 to u64'
export const x = 'entries'
export const unit = 'ns per entry'
export const points = [10, 100, 1000, 10_000, 100_000]
export const quick = [10_000]
export const object = () => 'maps'
/** Reads a small map several times, because CPU time is in microseconds. */
export const args = (entries, { isQuick }) => [entries, Math.ceil(10_000 / entries), isQuick ? 7 : 15]

export function trial(path, entries, times, rounds) {
  const obj = BpfObject.open(path)
  obj.loadSync()
  const map = obj.map('counts')
  for (let key = 0; key < entries; key++) map.set(key, BigInt(key))
  let sum = 0
  const time = (read) =>
    leastCpu(rounds, entries * times, () => {
      for (let i = 0; i < times; i++) read()
    })
  return {
    'batches()': time(() => {
      for (const batch of map.batches()) sum += batch.count
    }),
    'entries()': time(() => {
      for (const [key] of map) sum += key
    }),
    sum,
  }
}
