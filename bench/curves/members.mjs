import { BpfObject } from 'libbpf-node'
import { memberCounts } from '../many.mjs'
import { leastCpu } from './cpu-time.mjs'

export const title = 'Decoding a struct of 32-bit integers'
export const x = 'members'
export const unit = 'ns per struct'
export const points = memberCounts
export const quick = [64, 256]
export const object = () => 'members'
export const args = (members, { isQuick }) => [members, 1000, isQuick ? 101 : 301]
/** C reads each member, and makes nothing. */
export const isComparable = false

export function trial(path, members, count, rounds) {
  const codec = BpfObject.open(path).codec(`m${members}`)
  const view = new DataView(new ArrayBuffer(count * codec.size))
  let sum = 0
  const ns = leastCpu(rounds, count, () => {
    for (let i = 0; i < count; i++) sum += codec.decode(view, i * codec.size).member3
  })
  return { 'an object': ns, sum }
}
