import { BpfObject } from 'libbpf-node'
import { now, produce, quantile } from '../measure.mjs'

export const bpf = 'events'
export const trials = 3
export const args = ({ quick, producerCpu }) => [producerCpu, quick ? 3 : 10]
export const metrics = {
  p50: { title: 'timer of 10 ms, two rings always full: on(), late p50', unit: 'ms' },
  p99: { title: '  p99', unit: 'ms', atMost: 10 },
}

export async function trial(object, cpu, seconds) {
  let events = 0
  const rings = []
  const producers = []
  // Each object has a ring and the program that fills it.
  for (let i = 0; i < 2; i++) {
    const obj = BpfObject.open(object)
    obj.loadSync()
    const count = (event) => {
      events += event.one
    }
    rings.push(obj.ringBuffer('events', 'event').on(count))
    producers.push(produce(obj.program('emit_many'), cpu, 4e9, 10_000, 0))
  }
  const period = 10
  const late = []
  const end = now() + seconds * 1e9
  while (now() < end) {
    const armed = now()
    await new Promise((resolve) => setTimeout(resolve, period))
    late.push((now() - armed) / 1e6 - period)
  }
  for (const ring of rings) ring.close()
  for (const producer of producers) producer.kill()
  return { p50: quantile(late, 0.5), p99: quantile(late, 0.99), events }
}
