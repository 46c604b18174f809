// CPUs that go offline and come back. That affects all processes of the machine, so these tests only run on request.
import { readFileSync, writeFileSync } from 'node:fs'
import type { BpfObject, PerfBuffer } from 'libbpf-node'
import { afterEach, describe, expect } from 'vitest'
import { requiresFeature } from '../helpers/kernel.js'
import { load } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { runOn } from './cpus.js'
import { upTo } from './rings.js'

interface PerfRecord {
  number: bigint
  cpu: number
}

const test = (name: string, body: () => Promise<void>): void => requiresFeature('hotplug', name, body)
const cpu = 1
const state = `/sys/devices/system/cpu/cpu${cpu}/online`

const setOnline = (on: boolean): void => writeFileSync(state, on ? '1' : '0')
const produce = (object: BpfObject, count: number): void => runOn(cpu, object, 'produce', count)
const has = (reader: PerfBuffer<PerfRecord>, bytes: number): boolean => reader.size === bytes

async function pageBytes(reader: PerfBuffer<PerfRecord>): Promise<{ all: number; withoutOne: number }> {
  const cpus = reader.lostByCpu.size
  return { all: reader.size, withoutOne: (reader.size / cpus) * (cpus - 1) }
}

afterEach(() => {
  if (process.env.LIBBPF_NODE_CPU_HOTPLUG === '1' && readFileSync(state, 'utf8').trim() === '0')
    setOnline(true)
})

describe('a CPU that goes offline', () => {
  test('has what it left delivered, costs nothing meanwhile, and is read again when it is back', async () => {
    using object = load('events-perf')
    using reader = object.perfBuffer<PerfRecord>('events', 'record', { pages: 1 })
    const { all, withoutOne } = await pageBytes(reader)
    const seen: number[] = []
    const listen = (): unknown => reader.on(({ number }) => seen.push(Number(number)))
    const fits = Math.floor(4095 / 40)
    produce(object, fits + 7)
    listen()
    await until('those that fitted have come', () => seen.length === fits)
    produce(object, 1)
    await until('the losses are known', () => reader.lost === 7n)
    reader.stop()
    produce(object, 5)
    setOnline(false)
    // Nothing is read, so the buffer stays with its records.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(has(reader, all)).toBe(true)
    expect(reader.availableBytes).toBe(5 * 40)
    listen()
    await until('what it left has come', () => seen.length === fits + 6)
    await until('its buffer is closed', () => has(reader, withoutOne))
    const before = process.cpuUsage()
    await new Promise((resolve) => setTimeout(resolve, 500))
    const { user, system } = process.cpuUsage(before)
    // A reader that spins is woken 500,000 times.
    expect(user + system).toBeLessThan(250_000)
    setOnline(true)
    await until('it is back', () => has(reader, all))
    produce(object, 3)
    await until('it is read', () => seen.length === fits + 9)
    expect(seen).toEqual([...upTo(fits), ...upTo(9, fits + 7)])
    expect(reader.lostByCpu.get(cpu)).toBe(7n)
  })

  test('is read again, too, when it was away so briefly that nobody saw it', async () => {
    using object = load('events-perf')
    using reader = object.perfBuffer<PerfRecord>('events', 'record')
    const seen: number[] = []
    reader.on(({ number }) => seen.push(Number(number)))
    produce(object, 1)
    await until('it is read', () => seen.length === 1)
    for (let round = 0; round < 2; round++) {
      setOnline(false)
      setOnline(true)
      const before = seen.length
      await until('it is read again', () => {
        produce(object, 1)
        return seen.length > before
      })
    }
  })

  test('has its last records in the snapshots of an overwritable buffer', async () => {
    using object = load('events-perf')
    using reader = object.perfBuffer<PerfRecord>('events', 'record', { overwritable: true })
    const snapshot = (): number[] => reader.snapshot().map(({ number }) => Number(number))
    produce(object, 3)
    setOnline(false)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(snapshot()).toEqual([0, 1, 2])
    setOnline(true)
    await until('there is a new buffer', () => {
      produce(object, 1)
      return !snapshot().includes(0) && snapshot().length > 0
    })
  })
})
