import { BpfObject } from 'libbpf-node'
import { emit, median, now } from '../measure.mjs'

export const bpf = 'events'
export const args = ({ quick }) => [200_000, quick ? 7 : 21]
export const metrics = {
  ns: { title: 'drain of a full ring: drain()', unit: 'ns/event', ratio: 3 },
}

export function trial(object, events, rounds) {
  const obj = BpfObject.open(object)
  obj.loadSync()
  const program = obj.program('emit_many')
  // V8 allocates a new object whenever a closure changes a number.
  const sum = new Float64Array(1)
  const ring = obj.ringBuffer('events').drain((view, at) => {
    sum[0] += view.getUint32(at + 8, true) + view.getUint32(at + 12, true)
  })
  const ns = []
  for (let i = 0; i < rounds; i++) {
    emit(program, events)
    const start = now()
    const count = ring.consume()
    ns.push((now() - start) / count)
  }
  ring.close()
  return { ns: median(ns), sum: sum[0] }
}
