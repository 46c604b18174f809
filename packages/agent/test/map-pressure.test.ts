import { BpfMetrics } from '@libbpf-node/otel'
import { BpfObject, possibleCpus } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { expect, it } from 'vitest'
import { fillOf } from '../lib/map-pressure.js'

const program = `
export const open = hash<u32, u64>(64)
export const recent = lruHash<u32, u64>(10000)
export const huge = hash<u32, u64>(200000)
export const measured = percpuHash<u32, u64>(100)
export const fixed = array<u64>(5)
export const touch = rawTp('sched_switch', () => {
  open.get(0)
  recent.get(0)
  huge.get(0)
  measured.get(0)
  fixed.get(0)
  return 0
})
export const license = 'GPL'
`

it('says how full maps are, and does not read those that are too large or read anyway', async () => {
  using object = BpfObject.open(compile(program).object, { name: 'maps' })
  await object.load()
  const fill = (name: string, count: number) =>
    object.map<number, bigint>(name).setMany(Array.from({ length: count }, (_, i) => [i, 1n]))
  fill('open', 64)
  fill('recent', 5000)
  fill('huge', 10)
  const perCpu = object.map<number, bigint[]>('measured')
  perCpu.set(
    1,
    Array.from({ length: possibleCpus() }, () => 1n),
  )
  const metrics = new BpfMetrics()
  const measured = metrics.counter({ name: 'measured', map: perCpu })
  await metrics.read()
  const read = async () =>
    Object.fromEntries(
      (await fillOf(object.maps.values(), [measured])).map(({ map, type, entries, maxEntries }) => [
        map,
        `${type}: ${entries} of ${maxEntries}`,
      ]),
    )
  const expected = {
    open: 'hash: 64 of 64',
    recent: 'lru_hash: 5000 of 10000',
    measured: 'percpu_hash: 1 of 100',
  }
  expect(await read()).toEqual(expected)
  // What was counted is valid for a while.
  object.map('open').clear()
  expect(await read()).toEqual(expected)
})

it('leaves out a map that is closed while it is counted', async () => {
  const object = BpfObject.open(compile(program).object, { name: 'maps' })
  await object.load()
  object
    .map<number, bigint>('recent')
    .setMany(Array.from({ length: 9000 }, (_, i): [number, bigint] => [i, 1n]))
  const maps = [object.map('recent')]
  const fills = fillOf(maps, [])
  object.close()
  expect(await fills).toEqual([])
})
