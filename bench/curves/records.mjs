import { BpfObject } from 'libbpf-node'
import { emit } from '../measure.mjs'
import { leastCpu } from './cpu-time.mjs'

export const title = 'Draining a full ring'
export const x = 'bytes per record'
export const unit = 'ns per record'
export const points = [8, 16, 64, 256, 1024, 4096, 16384]
export const quick = [64]
export const object = () => 'sized'
export const args = (size, { isQuick }) => [
  size,
  Math.min(100_000, Math.floor((8 << 20) / (size + 8))),
  isQuick ? 21 : 41,
]

export function trial(path, size, count, rounds) {
  const obj = BpfObject.open(path)
  obj.loadSync()
  obj.bss.size = size
  const program = obj.program('emit_many')
  const sum = new Float64Array(1)
  const time = (ring) => {
    const ns = leastCpu(
      rounds,
      count,
      () => ring.consume(),
      () => emit(program, count),
    )
    ring.close()
    return ns
  }
  return {
    'drain()': time(
      obj.ringBuffer('events').drain((view, at) => {
        sum[0] += view.getUint32(at, true) + view.getUint32(at + 4, true)
      }),
    ),
    'onView()': time(
      obj.ringBuffer('events', 'pair').onView((pair) => {
        sum[0] += pair.first + pair.second
      }),
    ),
    'on()': time(
      obj.ringBuffer('events', 'pair').on((pair) => {
        sum[0] += pair.first + pair.second
      }),
    ),
  }
}
