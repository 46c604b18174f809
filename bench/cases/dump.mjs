import { BpfObject } from 'libbpf-node'
import { median, now } from '../measure.mjs'

export const bpf = 'maps'
export const args = ({ quick }) => [100_000, 4096, quick ? 5 : 15]
export const metrics = {
  raw: { title: 'dump of a hash of 100,000 entries: batches()', unit: 'ms', ratio: 1.1 },
  decoded: { title: '  entries(), decoded', unit: 'ms', ratio: 3 },
}

export function trial(object, entries, size, rounds) {
  const obj = BpfObject.open(object)
  obj.loadSync()
  const map = obj.map('counts')
  for (let key = 0; key < entries; key++) map.set(key, BigInt(2 * key))
  const time = (read) => {
    const ms = []
    for (let i = 0; i < rounds; i++) {
      const start = now()
      read()
      ms.push((now() - start) / 1e6)
    }
    return median(ms)
  }
  let sum = 0n
  let count = 0
  const raw = time(() => {
    for (const batch of map.batches({ size })) count += batch.count
  })
  const decoded = time(() => {
    for (const [key, value] of map) sum += BigInt(key) + value
  })
  return { raw, decoded, count: count / rounds, sum: Number(sum) / rounds }
}
