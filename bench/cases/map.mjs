import { BpfObject } from 'libbpf-node'
import { median, now } from '../measure.mjs'

export const bpf = 'maps'
export const args = ({ quick }) => [10_000, quick ? 9 : 45]
export const metrics = {
  get: { title: 'map, u32 to u64: get', unit: 'ns', ratio: 1.2 },
  set: { title: '  set', unit: 'ns', ratio: 1.2 },
  delete: { title: '  delete', unit: 'ns', ratio: 1.2 },
}

export function trial(object, keys, rounds) {
  const obj = BpfObject.open(object)
  obj.loadSync()
  const map = obj.map('counts')
  const [get, set, remove] = [[], [], []]
  // Created once, as in C.
  const values = Array.from({ length: keys }, (_, key) => BigInt(key))
  let sum = 0n
  for (let i = 0; i < rounds; i++) {
    for (let key = 0; key < keys; key++) map.set(key, values[key])
    let start = now()
    for (let key = 0; key < keys; key++) map.set(key, values[key])
    set.push((now() - start) / keys)
    start = now()
    for (let key = 0; key < keys; key++) sum += map.get(key)
    get.push((now() - start) / keys)
    start = now()
    for (let key = 0; key < keys; key++) map.delete(key)
    remove.push((now() - start) / keys)
  }
  return { get: median(get), set: median(set), delete: median(remove), sum: Number(sum) }
}
