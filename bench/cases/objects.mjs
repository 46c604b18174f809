import { BpfObject } from 'libbpf-node'
import { emit, median, now } from '../measure.mjs'

export const bpf = 'events'
// C passes a pointer into the ring to its callback. The limit is 120 ns where that takes 11.
export const c = 'drain'
export const args = ({ quick }) => [200_000, quick ? 7 : 21]
export const metrics = {
  ns: { title: 'the same, for await over batches() of full objects', unit: 'ns/event', ratio: 120 / 11 },
}

export async function trial(object, events, rounds) {
  const obj = BpfObject.open(object)
  obj.loadSync()
  const program = obj.program('emit_many')
  const ring = obj.ringBuffer('events', 'event')
  const ns = []
  let sum = 0
  let left = events
  emit(program, events)
  let start = now()
  for await (const batch of ring.batches()) {
    left -= batch.length
    for (const event of batch) sum += event.number + event.one
    if (left > 0) continue
    ns.push((now() - start) / events)
    if (ns.length === rounds) break
    left = events
    emit(program, events)
    start = now()
  }
  ring.close()
  return { ns: median(ns), sum }
}
