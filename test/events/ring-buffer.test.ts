import { BpfError, type BpfObject, RingBuffer } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, thrownBy } from '../helpers/objects.js'
import { discard, emit, loadRing, numberOf, range } from '../helpers/producer.js'
import { until } from '../helpers/until.js'

type Read = (ring: RingBuffer, count: number) => Promise<Uint8Array[]>

/** The ways to read a number of records. */
const ways: [string, Read][] = [
  [
    'for await',
    async (ring, count) => {
      const records: Uint8Array[] = []
      if (count === 0) return records
      for await (const record of ring) {
        records.push(record)
        if (records.length === count) break
      }
      return records
    },
  ],
  [
    'batches',
    async (ring, count) => {
      const records: Uint8Array[] = []
      for await (const batch of ring.batches()) {
        records.push(...batch)
        if (records.length >= count) break
      }
      return records
    },
  ],
  [
    'on',
    async (ring, count) => {
      const records: Uint8Array[] = []
      ring.on((record) => records.push(record))
      await until(`${count} records have come`, () => records.length >= count)
      ring.stop()
      return records
    },
  ],
  [
    'drain',
    async (ring, count) => {
      const records: Uint8Array[] = []
      ring.drain((view, offset, length) => {
        records.push(new Uint8Array(view.buffer, view.byteOffset + offset, length).slice())
      })
      await until(`${count} records have come`, () => records.length >= count)
      ring.stop()
      return records
    },
  ],
]

describe.each(ways)('%s', (_, read) => {
  it('delivers all records in order', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    const sent = emit(object, 10_000)
    expect(sent.length).toBe(10_000)
    expect((await read(ring, 10_000)).map(numberOf)).toEqual(sent)
    expect(ring.availableBytes).toBe(0)
  })

  it('delivers all records with any limits of a batch', async () => {
    using object = loadRing()
    for (const options of [{ batchSize: 1 }, { batchSize: 7 }, { slabSize: 64 }, { slabSize: 100 }]) {
      using ring = object.ringBuffer('events', undefined, options)
      const sent = emit(object, 500)
      expect((await read(ring, 500)).map(numberOf)).toEqual(sent)
    }
  })

  it('delivers records of all sizes, even larger than its slab', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events', undefined, { slabSize: 64 << 10 })
    const blob = Uint8Array.from({ length: 128 << 10 }, (_, i) => (i * 7) & 255)
    object.bss.blob = blob
    const sizes = [8, 9, 15, 16, 17, 100_000, 8, 65_536, 65_528, 65_520, 1000, 131_072, 11]
    for (const size of sizes) expect(emit(object, 1, size).length).toBe(1)
    const records = await read(ring, sizes.length)
    expect(records.map(({ length }) => length)).toEqual(sizes)
    expect(records.map(numberOf)).toEqual(range(0, sizes.length))
    for (const record of records) {
      expect(Buffer.compare(record.subarray(8), blob.subarray(8, record.length))).toBe(0)
    }
  })

  it('wraps around at the end of the ring many times', async () => {
    using object = loadRing(4096)
    using ring = object.ringBuffer('events')
    for (let i = 0; i < 200; i++) {
      const sent = emit(object, 1 + (i % 60), 8 + (i % 41))
      expect((await read(ring, sent.length)).map(numberOf)).toEqual(sent)
    }
    expect(ring.consumerPosition).toBeGreaterThan(4096n * 20n)
    expect(ring.consumerPosition).toBe(ring.producerPosition)
  })

  it('leaves out discarded records', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    object.bss.discard_every = 2
    const sent = emit(object, 100)
    expect(Number(object.bss.discarded)).toBeGreaterThan(30)
    expect((await read(ring, 100)).map(numberOf)).toEqual(sent)
    object.bss.discard_every = 0
    discard(object, 50)
    const more = emit(object, 3)
    expect((await read(ring, 3)).map(numberOf)).toEqual(more)
  })

  it('reads a full ring without losing anything', async () => {
    using object = loadRing(4096)
    using ring = object.ringBuffer('events')
    const sent = emit(object, 1000)
    expect(Number(object.bss.lost)).toBe(1000 - sent.length)
    // Each record takes 8 bytes and a header of 8. The kernel never uses the last byte of the ring.
    expect(sent.length).toBe(4096 / 16 - 1)
    expect(ring.availableBytes).toBe(sent.length * 16)
    const first = (await read(ring, sent.length)).map(numberOf)
    const more = emit(object, 10)
    expect([...first, ...(await read(ring, 10)).map(numberOf)]).toEqual([...sent, ...more])
  })
})

describe('a record', () => {
  it('is decoded by its BTF type', async () => {
    using object = loadRing()
    using ring = object.ringBuffer<{ number: bigint }>('events', 'record')
    emit(object, 3)
    const records: { number: bigint }[] = []
    ring.on((record) => records.push(record))
    ring.consume()
    expect(records).toEqual([{ number: 0n }, { number: 1n }, { number: 2n }])
  })

  it('is a copy of its bytes without a type', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events', undefined, { batchSize: 1 })
    const [first] = [emit(object, 1), emit(object, 1)]
    const records: Uint8Array[] = []
    ring.on((record) => records.push(record))
    ring.consume()
    expect(records.map(numberOf)).toEqual([0, 1])
    expect(records[0]!.buffer).not.toBe(records[1]!.buffer)
    expect(first).toEqual([0])
  })

  it('that cannot be decoded ends the iteration with an error, and the next reader goes on', async () => {
    using object = loadRing()
    const codec = object.codec<{ number: bigint }>('record')
    using ring = new RingBuffer(object.map('events'), {
      codec: {
        ...codec,
        decode: (view, offset, length) => {
          if (length !== undefined && length > 8) throw new RangeError('too long')
          return codec.decode(view, offset, length)
        },
      },
    })
    emit(object, 1, 16)
    emit(object, 1, 8)
    const reader = ring[Symbol.asyncIterator]()
    await expect(reader.next()).rejects.toThrow('too long')
    // An error ends an iteration, as it ends a generator.
    expect(await reader.next()).toEqual({ done: true, value: undefined })
    expect((await ring[Symbol.asyncIterator]().next()).value).toEqual({ number: 1n })
  })
})

describe('a ring buffer', () => {
  it('has a size, available bytes and positions', () => {
    using object = loadRing(8192)
    using ring = object.ringBuffer('events')
    expect(ring.size).toBe(8192)
    expect([ring.availableBytes, ring.consumerPosition, ring.producerPosition]).toEqual([0, 0n, 0n])
    emit(object, 3, 9)
    expect([ring.availableBytes, ring.consumerPosition, ring.producerPosition]).toEqual([72, 0n, 72n])
    ring.on(() => {})
    expect(ring.consume(1)).toBe(1)
    expect([ring.availableBytes, ring.consumerPosition, ring.producerPosition]).toEqual([48, 24n, 72n])
  })

  it('needs a map of type ringbuf', () => {
    using object = loadRing()
    expect(thrownBy(() => object.ringBuffer('not_a_ring'))).toMatchObject({ code: 'EINVAL' })
    expect(() => object.ringBuffer('event')).toThrow("has no map 'event'; did you mean 'events'?")
    expect(() => object.ringBuffer('events', 'recrod')).toThrow("has no type 'recrod'")
    expect(() => new RingBuffer({} as never)).toThrow(TypeError)
  })

  it.each([
    [{ slabSize: 63 }, RangeError],
    [{ slabSize: 1.5 }, TypeError],
    [{ slabSize: '64' }, TypeError],
    [{ batchSize: 0 }, RangeError],
    [{ batchSize: -1 }, RangeError],
    [{ batchSize: Number.NaN }, TypeError],
  ])('refuses the options %o', (options, error) => {
    using object = loadRing()
    expect(thrownBy(() => object.ringBuffer('events', undefined, options as object))).toBeInstanceOf(error)
  })

  it('goes on when its object is closed', async () => {
    const object = loadRing()
    using ring = object.ringBuffer('events')
    const sent = emit(object, 5)
    object.close()
    const records: number[] = []
    ring.on((record) => records.push(numberOf(record)))
    expect(ring.consume()).toBe(5)
    expect(records).toEqual(sent)
  })

  it('throws ERR_BPF_CLOSED when it is closed', async () => {
    using object = loadRing()
    const ring = object.ringBuffer('events')
    expect(ring.closed).toBe(false)
    ring.close()
    ring.close()
    expect(ring.closed).toBe(true)
    for (const call of [
      () => ring.on(() => {}),
      () => ring.drain(() => {}),
      () => ring[Symbol.asyncIterator](),
      () => ring.size,
      () => ring.availableBytes,
      () => ring.consumerPosition,
      () => ring.unref(),
    ]) {
      const error = thrownBy(call)
      expect(error).toBeInstanceOf(BpfError)
      expect(error).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    }
    ring.stop()
  })
})

describe('two ways of reading at once', () => {
  const start: [string, (ring: RingBuffer) => unknown][] = [
    ['on', (ring) => ring.on(() => {})],
    ['drain', (ring) => ring.drain(() => {})],
    ['for await', (ring) => ring[Symbol.asyncIterator]()],
  ]
  const pairs = start.flatMap(([a, first]) => start.map(([b, second]) => [a, b, first, second] as const))

  it.each(pairs)('are refused, and the first goes on: %s and %s', async (_, __, first, second) => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    first(ring)
    expect(thrownBy(() => second(ring))).toMatchObject({ code: 'ERR_BPF_STATE' })
    expect(() => second(ring)).toThrow('is being read already')
    ring.stop()
    second(ring)
  })
})

describe("a ring buffer's object", () => {
  it('has to be loaded', () => {
    const closed = load('ring') as BpfObject
    closed.close()
    expect(thrownBy(() => closed.ringBuffer('events'))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })
})
