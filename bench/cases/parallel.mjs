import { BpfObject } from 'libbpf-node'
import { now, produce } from '../measure.mjs'

export const bpf = 'events'
export const args = ({ quick, producerCpu }) => [producerCpu, quick ? 5_000_000 : 20_000_000]
export const metrics = {
  rate: { title: 'producer and consumer in parallel: drain()', unit: 'events/s', more: true, ratio: 0.95 },
  cpu: { title: '  CPU time of the consumer', unit: 'ns/event' },
}

export async function trial(object, cpu, events) {
  const obj = BpfObject.open(object)
  obj.loadSync()
  let sum = 0
  let count = 0
  let start = 0
  let end
  const all = new Promise((resolve) => {
    end = resolve
  })
  const ring = obj.ringBuffer('events').drain((view, at) => {
    if (count++ === 0) start = now()
    sum += view.getUint32(at + 8, true) + view.getUint32(at + 12, true)
    if (count === events) end(now())
  })
  produce(obj.program('emit_many'), cpu, events, 100_000, 0)
  const seconds = ((await all) - start) / 1e9
  const { user, system } = process.cpuUsage()
  ring.close()
  return { rate: events / seconds, sum, cpu: ((user + system) * 1e3) / events }
}
