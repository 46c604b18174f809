import { BpfObject } from 'libbpf-node'
import { programCounts } from '../many.mjs'
import { leastCpu } from './cpu-time.mjs'

export const title = 'Opening an object'
export const x = 'programs'
export const unit = 'µs'
export const points = programCounts
export const quick = [1, 50, 500]
export const object = (programs) => `programs-${programs}`
export const args = (_, { isQuick }) => [isQuick ? 50 : 200]

export function trial(path, rounds) {
  let obj
  const close = () => obj?.close()
  const open = () => {
    obj = BpfObject.open(path)
  }
  return {
    'open()': leastCpu(rounds, 1000, open, close),
    'and programs': leastCpu(rounds, 1000, () => open() ?? obj.programs, close),
  }
}
