import { BpfObject } from 'libbpf-node'
import { programCounts } from '../many.mjs'
import { leastCpu } from './cpu-time.mjs'

export const title = 'Attaching all programs of an object, and detaching them'
export const x = 'links'
export const unit = 'µs'
export const points = programCounts
export const quick = [50]
export const object = (programs) => `programs-${programs}`
export const args = () => [5]

export function trial(path, rounds) {
  const obj = BpfObject.open(path)
  obj.loadSync()
  return {
    'attach(), close()': leastCpu(rounds, 1000, () => {
      for (const link of obj.attach()) link.close()
    }),
  }
}
