import { createRequire } from 'node:module'
import { BpfMap, BpfObject, RingBuffer } from 'libbpf-node'
import { produce } from '../measure.mjs'
import { cpuSince } from './cpu-time.mjs'

export const title = 'Waking up 1,000 times a second, over several rings'
export const x = 'rings'
export const unit = 'µs of CPU time per wake-up'
export const points = [1, 16, 64, 256]
/** Not the least: if the reader has to wait for a CPU, one wake-up serves several records. */
export { median as choose } from '../measure.mjs'
export const quick = [1, 64]
export const object = () => 'rings'
export const args = (rings, { isQuick, producerCpu }) => [
  rings,
  producerCpu,
  isQuick ? 1000 : 2000,
  1_000_000,
]

/** Reads `events` records in each of three ways. */
export async function trial(path, count, cpu, events, interval) {
  const obj = BpfObject.open(path)
  obj.data.ring_count = count
  obj.loadSync()
  const rings = Array.from({ length: count }, (_, i) => {
    const map = BpfMap.create({
      type: 'ringbuf',
      name: 'ring',
      keySize: 0,
      valueSize: 0,
      maxEntries: 1 << 16,
    })
    obj.map('rings').set(i, map)
    return map
  })
  const run = async (read, events, interval) => {
    const reader = new RingBuffer(rings[0])
    for (const ring of rings.slice(1)) reader.add(ring)
    const reading = read(reader, events)
    produce(obj.program('emit_many'), cpu, events, 1, interval)
    const since = cpuSince()
    await reading
    const us = since() / 1000 / events
    reader.close()
    return us
  }
  const time = async (read) => {
    // Until the code is compiled, and compiled again for what iterations do.
    for (let i = 0; i < 3; i++) await run(read, 10_000, 20_000)
    return run(read, events, interval)
  }
  return {
    'drain()': await time((reader, left) => {
      return new Promise((resolve) => reader.drain(() => --left === 0 && resolve()))
    }),
    'for await': await time(async (reader, left) => {
      for await (const _ of reader) if (--left === 0) break
    }),
    'batches()': await time(async (reader, left) => {
      for await (const { length } of reader.batches()) {
        left -= length
        if (left === 0) break
      }
    }),
  }
}

/** An empty callback of uv_poll, over one ring. */
export async function floor(path, count, cpu, events, interval) {
  if (count > 1) return {}
  const { watch } = createRequire(import.meta.url)('../../build/bench/floor.node')
  const obj = BpfObject.open(path)
  obj.loadSync()
  const map = BpfMap.create({ type: 'ringbuf', name: 'ring', keySize: 0, valueSize: 0, maxEntries: 1 << 16 })
  obj.map('rings').set(0, map)
  let since
  await new Promise((resolve) => {
    watch(map.fd, events * 16, (done) => done && resolve())
    produce(obj.program('emit_many'), cpu, events, 1, interval)
    since = cpuSince()
  })
  return { 'an empty uv_poll': since() / 1000 / events }
}
