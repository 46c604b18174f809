import { BpfObject } from 'libbpf-node'
import { median, now } from '../measure.mjs'

export const bpf = 'refused'
export const args = ({ quick }) => [quick ? 20 : 200]
export const metrics = {
  tracepoint: { title: 'attaching to a tracepoint that does not exist', unit: 'µs', ratio: 2 },
  uprobe: { title: '  to a function that libc does not have', unit: 'µs', ratio: 2 },
  first: { title: '  to the tracepoint, the first time', unit: 'µs' },
}

export function trial(object, rounds) {
  const obj = BpfObject.open(object)
  obj.loadSync()
  const { at_tracepoint, at_function } = obj.programs
  const us = (attach) => {
    const start = now()
    try {
      attach()
    } catch {
      return (now() - start) / 1000
    }
    throw new Error('it was attached')
  }
  const tracepoint = () => at_tracepoint.attachTracepoint('sched', 'sched_process_exek')
  const uprobe = () => at_function.attachUprobe('libc.so.6', { symbol: 'getaddrinfoo' })
  const first = us(tracepoint)
  return {
    first,
    tracepoint: median(Array.from({ length: rounds }, () => us(tracepoint))),
    uprobe: median(Array.from({ length: rounds }, () => us(uprobe))),
    sum: 0,
  }
}
