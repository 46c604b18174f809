import { BpfObject } from 'libbpf-node'
import { median, now } from '../measure.mjs'

export const bpf = 'maps'
export const args = ({ quick }) => [9984, quick ? 9 : 45]
export const metrics = {
  get: { title: 'map, u32 to u64: get', unit: 'ns', ratio: 1.2 },
  set: { title: '  set', unit: 'ns', ratio: 1.2 },
  delete: { title: '  delete', unit: 'ns', ratio: 1.2 },
  getMany: { title: '  getMany of 64 keys', unit: 'ns per key', ratio: 1.05 },
  setMany: { title: '  setMany of 64 keys', unit: 'ns per key', ratio: 1.05 },
}

const bulk = 64

export function trial(object, keys, rounds) {
  const obj = BpfObject.open(object)
  obj.loadSync()
  const map = obj.map('counts')
  const [get, set, remove, getMany, setMany] = [[], [], [], [], []]
  // Created once, as in C.
  const values = Array.from({ length: keys }, (_, key) => BigInt(key))
  const entries = values.map((value, key) => [key, value])
  const groups = Array.from({ length: keys / bulk }, (_, i) => entries.slice(i * bulk, (i + 1) * bulk))
  const keyGroups = groups.map((group) => group.map(([key]) => key))
  let sum = 0n
  let sumOfMany = 0n
  for (let i = 0; i < rounds; i++) {
    for (let key = 0; key < keys; key++) map.set(key, values[key])
    let start = now()
    for (let key = 0; key < keys; key++) map.set(key, values[key])
    set.push((now() - start) / keys)
    start = now()
    for (let key = 0; key < keys; key++) sum += map.get(key)
    get.push((now() - start) / keys)
    start = now()
    for (const group of groups) map.setMany(group)
    setMany.push((now() - start) / keys)
    start = now()
    for (const group of keyGroups) for (const value of map.getMany(group)) sumOfMany += value
    getMany.push((now() - start) / keys)
    start = now()
    for (let key = 0; key < keys; key++) map.delete(key)
    remove.push((now() - start) / keys)
  }
  if (sumOfMany !== sum) throw new Error(`getMany got the sum ${sumOfMany}, get ${sum}`)
  return {
    get: median(get),
    set: median(set),
    delete: median(remove),
    getMany: median(getMany),
    setMany: median(setMany),
    sum: Number(sum),
  }
}
