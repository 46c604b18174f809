import { BpfObject } from 'libbpf-node'
import { produce } from '../measure.mjs'

export const bpf = 'events'
export const trials = 3
export const args = ({ quick, producerCpu }) => [producerCpu, quick ? 200_000 : 1_000_000, 1, 10_000]
export const metrics = {
  seconds: { title: '100,000 events per second, one every 10 µs: drain(), CPU time', unit: 's', ratio: 2 },
}

export async function trial(object, cpu, events, batch, interval) {
  const obj = BpfObject.open(object)
  obj.loadSync()
  let sum = 0
  let count = 0
  let start
  await new Promise((resolve) => {
    const ring = obj.ringBuffer('events').drain((view, at) => {
      sum += view.getUint32(at + 8, true) + view.getUint32(at + 12, true)
      if (++count === events) {
        ring.close()
        resolve()
      }
    })
    start = process.cpuUsage()
    produce(obj.program('emit_many'), cpu, events, batch, interval)
  })
  const { user, system } = process.cpuUsage(start)
  return { seconds: (user + system) / 1e6, sum }
}
