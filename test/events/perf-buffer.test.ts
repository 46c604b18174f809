import { BpfMap, type BpfObject, PerfBuffer, type PerfBufferOptions } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, open, thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { onlineCpus, runOn } from './cpus.js'
import { turns, upTo } from './rings.js'

interface PerfRecord {
  number: bigint
  cpu: number
  bytes: Uint8Array
}

const [first = 0] = onlineCpus
/** Bytes per record in the buffer: a header of 8, a length of 4 and the record of 24, padded to a multiple of 8. */
const recordBytes = 40

const produce = (object: BpfObject, count: number, cpu = first): void => runOn(cpu, object, 'produce', count)

function read(object: BpfObject, options: PerfBufferOptions<PerfRecord> = {}) {
  const reader = object.perfBuffer<PerfRecord>('events', 'record', options)
  const seen: PerfRecord[] = []
  reader.on((record) => seen.push(record))
  return { reader, seen, numbers: () => seen.map(({ number }) => Number(number)) }
}

describe('a perf buffer', () => {
  it('delivers the bytes of each record', async () => {
    using object = load('events-perf')
    using reader = object.perfBuffer('events')
    const seen: Uint8Array[] = []
    reader.on((record) => seen.push(record))
    object.bss.number = 0x0102030405060708n
    produce(object, 1)
    await until('it has come', () => seen.length === 1)
    const record = [8, 7, 6, 5, 4, 3, 2, 1, first, 0, 0, 0, ...upTo(12, 1)]
    expect([...seen[0]!.subarray(0, 24)]).toEqual(record)
    // The kernel pads records to align the next one.
    expect(seen[0]!.length).toBe(28)
  })

  it('keeps the order of records of each CPU', async () => {
    using object = load('events-perf')
    using reader = read(object).reader
    reader.stop()
    const byCpu = new Map<number, number[]>(onlineCpus.map((cpu) => [cpu, []]))
    reader.on(({ cpu, number }) => byCpu.get(cpu)!.push(Number(number)))
    for (let round = 0; round < 20; round++) for (const cpu of onlineCpus) produce(object, 5, cpu)
    await until('all have come', () => [...byCpu.values()].flat().length === 100 * onlineCpus.length)
    for (const [i, cpu] of onlineCpus.entries()) {
      expect(byCpu.get(cpu)).toEqual(
        upTo(20).flatMap((round) => upTo(5, (round * onlineCpus.length + i) * 5)),
      )
    }
    expect(reader.lost).toBe(0n)
  })

  it('can be read in the same ways as a ring buffer', async () => {
    using object = load('events-perf')
    using reader = object.perfBuffer<PerfRecord>('events', 'record', { batchSize: 4 })
    produce(object, 20)
    const seen: number[] = []
    for await (const { number } of reader) {
      seen.push(Number(number))
      if (seen.length === 6) break
    }
    for await (const records of reader.batches()) {
      seen.push(...records.map(({ number }) => Number(number)))
      if (seen.length >= 10) break
    }
    reader.on(({ number }) => seen.push(Number(number)))
    while (seen.length < 15) reader.consume(1)
    reader.stop()
    reader.drain((view, offset) => seen.push(Number(view.getBigUint64(offset, true))))
    await until('all have come', () => seen.length === 20)
    expect(seen).toEqual(upTo(20))
  })

  it('delivers more than one batch without another wake-up', async () => {
    using object = load('events-perf')
    using reader = object.perfBuffer<PerfRecord>('events', 'record', { batchSize: 10 })
    // Records that are written before anything reads.
    produce(object, 95)
    const seen: number[] = []
    reader.on(({ number }) => seen.push(Number(number)))
    await until('all have come', () => seen.length === 95)
    // Records that are all written before the event loop gets a turn.
    await turns(3)
    produce(object, 95)
    await until('those have come, too', () => seen.length === 190)
    expect(seen).toEqual(upTo(190))
  })

  it('delivers records that are larger than its slab', async () => {
    using object = load('events-perf')
    const { reader, seen, numbers } = read(object, { slabSize: 64, batchSize: 3 })
    produce(object, 10)
    await until('all have come', () => seen.length === 10)
    expect(numbers()).toEqual(upTo(10))
    reader.close()
  })

  it('leaves records in the kernel while it is paused', async () => {
    using object = load('events-perf')
    const { reader, seen } = read(object)
    reader.pause()
    produce(object, 5)
    await turns()
    expect(seen).toEqual([])
    reader.resume()
    await until('all have come', () => seen.length === 5)
    reader.close()
  })

  it('can be closed by its own callback', async () => {
    using object = load('events-perf')
    using reader = object.perfBuffer('events')
    let count = 0
    reader.on(() => {
      count++
      reader.close()
      reader.close()
    })
    produce(object, 5)
    await until('it is called', () => count > 0)
    produce(object, 5)
    await turns(5)
    expect(count).toBe(1)
    expect(object.bss.refused).toBe(5n)
    expect(thrownBy(() => reader.lost)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(thrownBy(() => reader.on(() => {}))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  it('goes on when the object is closed', async () => {
    const object = load('events-perf')
    const { reader, seen } = read(object)
    produce(object, 3)
    object.close()
    await until('what was written has come', () => seen.length === 3)
    // The reader looks for new CPUs every second.
    await new Promise((resolve) => setTimeout(resolve, 1200))
    expect(reader.lost).toBe(0n)
    reader.close()
  })
})

describe('a perf buffer whose object is closed', () => {
  it('removes its buffers from its own map, even if another map has got the number of its descriptor', () => {
    const object = load('events-perf')
    const fd = object.map('events').fd
    const { reader } = read(object)
    object.close()
    const maps: BpfMap[] = []
    while (!maps.some((map) => map.fd === fd)) {
      const type = 'hash'
      maps.push(BpfMap.create({ type, name: 'other', keySize: 4, valueSize: 4, maxEntries: 64 }))
      expect(maps.length).toBeLessThan(50)
    }
    const key = (cpu: number) => new Uint8Array(Uint32Array.of(cpu).buffer)
    for (const map of maps) for (const cpu of onlineCpus) map.raw.set(key(cpu), key(7))
    reader.close()
    for (const map of maps) {
      expect([...map.raw.keys()].length).toBe(onlineCpus.length)
      map.close()
    }
  })
})

describe('the CPUs of a perf buffer', () => {
  it('are told for each record', async () => {
    using object = load('events-perf')
    using reader = object.perfBuffer<PerfRecord>('events', 'record')
    expect(reader.cpu).toBeUndefined()
    const seen: [number | undefined, number][] = []
    reader.on(({ cpu }) => seen.push([reader.cpu, cpu]))
    for (const cpu of onlineCpus) produce(object, 3, cpu)
    await until('all have come', () => seen.length === 3 * onlineCpus.length)
    expect(seen.filter(([told, written]) => told !== written)).toEqual([])
    reader.stop()
    for (const cpu of onlineCpus) produce(object, 2, cpu)
    let left = 2 * onlineCpus.length
    for await (const { cpu } of reader) {
      expect(reader.cpu).toBe(cpu)
      if (--left === 0) break
    }
  })

  it('are only those that were chosen', async () => {
    using object = load('events-perf')
    using reader = object.perfBuffer<PerfRecord>('events', 'record', { cpus: [first] })
    const seen: number[] = []
    reader.on(({ cpu }) => seen.push(cpu))
    for (const cpu of onlineCpus) produce(object, 3, cpu)
    await until('those of one CPU have come', () => seen.length === 3)
    await turns(3)
    expect(seen).toEqual([first, first, first])
    expect([...reader.lostByCpu.keys()]).toEqual([first])
    expect(() => object.perfBuffer('events', undefined, { cpus: [-1] })).toThrow(TypeError)
  })
})

describe('a perf buffer that is too small', () => {
  const fits = Math.floor(4095 / recordBytes)

  it('counts lost records per CPU', async () => {
    using object = load('events-perf')
    const { reader, seen, numbers } = read(object, { pages: 1 })
    const last = onlineCpus.at(-1)!
    produce(object, fits + 50, last)
    await until('those that fitted have come', () => seen.length === fits)
    expect(numbers()).toEqual(upTo(fits))
    // The kernel reports the loss with the next record.
    produce(object, 1, last)
    await until('that has come', () => seen.length === fits + 1)
    expect(seen.at(-1)!.number).toBe(BigInt(fits + 50))
    expect(reader.lost).toBe(50n)
    expect(reader.lostByCpu).toEqual(new Map(onlineCpus.map((cpu) => [cpu, cpu === last ? 50n : 0n])))
    reader.close()
  })

  it('tells of lost records as they are reported, before the records that came after them', async () => {
    using object = load('events-perf')
    const last = onlineCpus.at(-1)!
    const told: unknown[] = []
    const { reader, seen } = read(object, {
      pages: 1,
      onLost: (lost) => told.push({ ...lost, after: seen.length }),
    })
    produce(object, fits + 50, last)
    await until('those that fitted have come', () => seen.length === fits)
    expect(told).toEqual([])
    produce(object, 1, last)
    await until('the next one has come', () => seen.length === fits + 1)
    expect(told).toEqual([{ cpu: last, count: 50n, after: fits }])
    produce(object, fits + 20, last)
    await turns(3)
    const before = seen.length
    produce(object, 1, last)
    await until('the next one has come', () => seen.length === before + 1)
    expect(told[1]).toEqual({ cpu: last, count: reader.lost - 50n, after: before })
    expect(reader.lost).toBeGreaterThanOrEqual(70n)
    reader.close()
  })

  it('has received and lost as many records as were sent', async () => {
    using object = load('events-perf')
    const { reader, seen } = read(object, { pages: 1, batchSize: 7 })
    for (let round = 0; round < 10; round++) {
      for (const cpu of onlineCpus) produce(object, 60 + 10 * round, cpu)
      await turns(3)
    }
    for (const cpu of onlineCpus) produce(object, 1, cpu)
    await until(
      'all are accounted for',
      () => BigInt(seen.length) + reader.lost === (object.bss.number as bigint),
    )
    expect(reader.lost).toBeGreaterThan(0n)
    reader.close()
  })
})

describe('the wake-ups of a perf buffer', () => {
  it('come after wakeupEvents records', async () => {
    using object = load('events-perf')
    const { reader, seen } = read(object, { wakeupEvents: 10 })
    await turns(3)
    produce(object, 9)
    await turns()
    expect(seen.length).toBe(0)
    produce(object, 1)
    await until('the tenth wakes', () => seen.length === 10)
    reader.close()
  })

  it('come after watermark bytes', async () => {
    using object = load('events-perf')
    const { reader, seen } = read(object, { watermark: 10 * recordBytes })
    await turns(3)
    produce(object, 9)
    await turns()
    expect(seen.length).toBe(0)
    produce(object, 2)
    await until('the watermark is reached', () => seen.length >= 10)
    reader.close()
  })

  it('do not matter to consume()', () => {
    using object = load('events-perf')
    const { reader, seen } = read(object, { wakeupEvents: 1000 })
    produce(object, 9)
    expect(reader.size).toBe(onlineCpus.length * 64 * 4096)
    expect(reader.availableBytes).toBe(9 * recordBytes)
    expect(reader.consume()).toBe(9)
    expect(reader.availableBytes).toBe(0)
    expect(seen.length).toBe(9)
    reader.close()
    expect(thrownBy(() => reader.availableBytes)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })
})

describe('the map of a perf buffer', () => {
  it('has one reader at a time', () => {
    using object = load('events-perf')
    const { reader, seen } = read(object)
    expect(thrownBy(() => object.perfBuffer('events'))).toMatchObject({
      code: 'EBUSY',
      map: 'events',
      message:
        "read perf buffer 'events': map 'events' already has a reader in this process, maybe in another Worker; close that reader first (EBUSY)",
    })
    produce(object, 1)
    expect(reader.consume()).toBe(1)
    expect(seen.length).toBe(1)
    reader.close()
    const other = read(object)
    // Closing the first reader again does not affect the second.
    reader.close()
    expect(thrownBy(() => object.perfBuffer('events'))).toMatchObject({ code: 'EBUSY' })
    produce(object, 1)
    expect(other.reader.consume()).toBe(1)
    other.reader.close()
  })

  it('cannot have a reader and a recorder at the same time', () => {
    using object = load('events-perf')
    for (const overwritable of [false, true]) {
      using _ = object.perfBuffer('events', undefined, { overwritable })
      expect(
        thrownBy(() => object.perfBuffer('events', undefined, { overwritable: !overwritable })),
      ).toMatchObject({ code: 'EBUSY' })
    }
    object.perfBuffer('events').close()
  })

  it('may have fewer entries than there are CPUs', async () => {
    using object = open('events-perf')
    object.map('events').maxEntries = 1
    object.loadSync()
    const { reader, seen } = read(object)
    expect([...reader.lostByCpu.keys()]).toEqual([0])
    for (const cpu of onlineCpus) produce(object, 3, cpu)
    await until('those of the first CPU have come', () => seen.length === 3)
    await turns(3)
    expect(seen.map(({ cpu }) => cpu)).toEqual([0, 0, 0])
    expect(object.bss.refused).toBe(BigInt(3 * (onlineCpus.length - 1)))
    reader.close()
  })

  it('has to be a perf event array', () => {
    using object = load('events-perf')
    expect(thrownBy(() => new PerfBuffer(object.map('not_perf')))).toMatchObject({
      code: 'EINVAL',
      operation: 'perf_buffer__new_raw',
      message: expect.stringContaining("map 'not_perf' should be BPF_MAP_TYPE_PERF_EVENT_ARRAY"),
    })
  })

  it('has to be loaded', () => {
    using object = open('events-perf')
    expect(() => new PerfBuffer(object.map('events'))).toThrow('load the object first')
  })

  it.each([0, 3, 1.5, -1])('cannot have %s pages', (pages) => {
    using object = load('events-perf')
    const error = thrownBy(() => object.perfBuffer('events', undefined, { pages })) as Error
    expect(error.message).toMatch(/^pages is not a (power of two|whole number)$/)
    // The map can still be read.
    object.perfBuffer('events').close()
  })
})
