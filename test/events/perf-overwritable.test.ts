import { type BpfObject, PerfBuffer, type PerfBufferOptions } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, thrownBy } from '../helpers/objects.js'
import { onlineCpus, runOn } from './cpus.js'
import { upTo } from './rings.js'

interface PerfRecord {
  number: bigint
  cpu: number
  bytes: Uint8Array
}

const [first = 0] = onlineCpus
const page = 4096

const open = (object: BpfObject, options: PerfBufferOptions<PerfRecord> = {}): PerfBuffer<PerfRecord> =>
  object.perfBuffer<PerfRecord>('events', 'record', { overwritable: true, pages: 1, ...options })

const produce = (object: BpfObject, count: number, cpu = first): void => runOn(cpu, object, 'produce', count)
const numbers = (records: PerfRecord[]): number[] => records.map(({ number }) => Number(number))
/** Bytes per record in the buffer: a header of 8, a length of 4 and the record, padded to a multiple of 8. */
const inBuffer = (size: number): number => (12 + size + 7) & ~7

describe('an overwritable perf buffer', () => {
  it('is empty at first', () => {
    using object = load('events-perf')
    using reader = open(object)
    expect(reader.snapshot()).toEqual([])
  })

  it('has all records, oldest first, while they fit', () => {
    using object = load('events-perf')
    using reader = open(object)
    produce(object, 20)
    expect(numbers(reader.snapshot())).toEqual(upTo(20))
    expect(reader.snapshot()[3]).toEqual({
      number: 3n,
      cpu: first,
      bytes: Uint8Array.from(upTo(12, 1)),
    })
    produce(object, 5)
    expect(numbers(reader.snapshot())).toEqual(upTo(25))
  })

  it('has the newest records after the oldest were overwritten many times', () => {
    using object = load('events-perf')
    using reader = open(object)
    const fits = Math.floor(page / inBuffer(24))
    let sent = 0
    for (const count of [fits, 1, 1, 7, fits - 1, 3 * fits + 5, 1]) {
      produce(object, count)
      sent += count
      expect(numbers(reader.snapshot())).toEqual(upTo(fits, sent - fits))
    }
    expect(reader.lost).toBe(0n)
  })

  it.each([8, 12, 20, 36, 100, 251, 1000, 2036, 4084])(
    'has as many whole records of %s bytes as fit',
    (size) => {
      using object = load('events-perf')
      using reader = object.perfBuffer('events', undefined, { overwritable: true, pages: 1 })
      const pattern = Uint8Array.from({ length: 4096 }, (_, i) => (i * 31 + (i >> 8)) & 255)
      object.bss.bytes = pattern
      object.bss.size = size
      const fits = Math.floor(page / inBuffer(size))
      for (let sent = 1; sent <= 2 * fits + 3; sent++) {
        runOn(first, object, 'produce_sized', 1)
        const records = reader.snapshot()
        const count = Math.min(sent, fits)
        expect(records.map((bytes) => Number(new DataView(bytes.buffer).getBigUint64(0, true)))).toEqual(
          upTo(count, sent - count),
        )
        for (const bytes of records) {
          expect(bytes.length).toBe(inBuffer(size) - 12)
          expect(Buffer.compare(bytes.subarray(8, size), pattern.subarray(8, size))).toBe(0)
        }
      }
    },
  )

  it('has the newest records of mixed sizes', () => {
    using object = load('events-perf')
    using reader = object.perfBuffer('events', undefined, { overwritable: true, pages: 2 })
    const sizes: number[] = []
    for (let i = 0; i < 200; i++) {
      sizes.push(8 + (Math.imul(i, 2654435761) >>> 22))
      object.bss.size = sizes.at(-1)
      runOn(first, object, 'produce_sized', 1)
      const records = reader.snapshot()
      let room = 2 * page
      const expected: number[] = []
      for (let k = i; k >= 0; k--) {
        room -= inBuffer(sizes[k]!)
        if (room < 0) break
        expected.unshift(k)
      }
      expect(records.map((bytes) => new DataView(bytes.buffer).getUint32(0, true))).toEqual(expected)
    }
  })

  it('has the records CPU by CPU', () => {
    using object = load('events-perf')
    using reader = open(object, { pages: 4 })
    for (let round = 0; round < 3; round++) for (const cpu of onlineCpus) produce(object, 2, cpu)
    const records = reader.snapshot()
    expect(records.map(({ cpu }) => cpu)).toEqual(onlineCpus.flatMap((cpu) => Array(6).fill(cpu)))
    for (const cpu of onlineCpus) {
      const own = numbers(records.filter((record) => record.cpu === cpu))
      expect(own).toEqual([...own].sort((a, b) => a - b))
    }
  })

  it('keeps its records and records nothing new while it is paused', () => {
    using object = load('events-perf')
    using reader = open(object)
    produce(object, 3)
    reader.pause()
    produce(object, 200)
    expect(numbers(reader.snapshot())).toEqual([0, 1, 2])
    // The snapshot does not end the pause, either.
    produce(object, 200)
    expect(numbers(reader.snapshot())).toEqual([0, 1, 2])
    reader.resume()
    produce(object, 2)
    expect(numbers(reader.snapshot())).toEqual([0, 1, 2, 403, 404])
  })

  it('goes on recording after a snapshot has failed', () => {
    using object = load('events-perf')
    const reader = new PerfBuffer<never>(object.map('events'), {
      overwritable: true,
      codec: {
        ...object.codec<never>('record'),
        decode: () => {
          throw new Error('mine')
        },
      },
    })
    produce(object, 1)
    expect(() => reader.snapshot()).toThrow('mine')
    produce(object, 1)
    reader.close()
    using other = open(object)
    produce(object, 1)
    expect(numbers(other.snapshot())).toEqual([2])
  })

  it('cannot be read like other buffers, and the error says how to read it', () => {
    using object = load('events-perf')
    using reader = open(object)
    const refused = {
      code: 'ERR_BPF_STATE',
      message: "perf buffer 'events' is overwritable: read it with snapshot()",
    }
    expect(thrownBy(() => reader.on(() => {}))).toMatchObject(refused)
    expect(thrownBy(() => reader.drain(() => {}))).toMatchObject(refused)
    expect(thrownBy(() => reader[Symbol.asyncIterator]())).toMatchObject(refused)
    expect(thrownBy(() => reader.batches())).toMatchObject(refused)
    reader.close()
    using delivered = object.perfBuffer('events')
    expect(thrownBy(() => delivered.snapshot())).toMatchObject({
      code: 'ERR_BPF_STATE',
      message: "perf buffer 'events' is not overwritable: read it with on(), drain() or for await",
    })
  })

  it('has one reader at a time', () => {
    using object = load('events-perf')
    const reader = open(object)
    expect(thrownBy(() => open(object))).toMatchObject({ code: 'EBUSY' })
    reader.close()
    reader.close()
    expect(thrownBy(() => reader.snapshot())).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    produce(object, 3)
    expect(object.bss.refused).toBe(3n)
    open(object).close()
  })

  it('goes on when its object is closed', () => {
    const object = load('events-perf')
    using reader = open(object)
    produce(object, 3)
    object.close()
    expect(numbers(reader.snapshot())).toEqual([0, 1, 2])
  })

  it.each([
    [{ overwritable: 1 as never }, 'overwritable is not a boolean'],
    [{ overwritable: true, pages: 3 }, 'pages is not a power of two'],
  ])('is refused %o, in words', (options, message) => {
    using object = load('events-perf')
    expect(() => object.perfBuffer('events', undefined, options)).toThrow(message)
    open(object).close()
  })

  it('needs a perf event array', () => {
    using object = load('events-perf')
    const error = thrownBy(() => new PerfBuffer(object.map('not_perf'), { overwritable: true }))
    expect(error).toMatchObject({
      code: 'EINVAL',
      map: 'not_perf',
      message: "read perf buffer 'not_perf': map 'not_perf' is of type array, not perf_event_array",
    })
  })
})
