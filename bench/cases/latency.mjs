import { BpfObject } from 'libbpf-node'
import { produce, quantile } from '../measure.mjs'

const interval = 200_000

export const bpf = 'events'
export const args = ({ quick, producerCpu }) => [producerCpu, quick ? 5_000 : 20_000, interval]
export const metrics = {
  p50: { title: 'wake-up latency, one event every 200 µs: drain(), p50', unit: 'µs', ratio: 1.3 },
  p99: { title: '  p99', unit: 'µs', ratio: 2 },
}

export async function trial(object, cpu, events, interval) {
  const obj = BpfObject.open(object)
  obj.loadSync()
  const us = []
  await new Promise((resolve) => {
    const ring = obj.ringBuffer('events').drain((view, at) => {
      us.push(Number(process.hrtime.bigint() - view.getBigUint64(at, true)) / 1e3)
      if (us.length === events) {
        ring.close()
        resolve()
      }
    })
    produce(obj.program('emit_one'), cpu, events, 1, interval)
  })
  return { p50: quantile(us, 0.5), p99: quantile(us, 0.99) }
}
