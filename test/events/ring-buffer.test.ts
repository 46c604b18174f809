import { BpfError, type BpfObject, RingBuffer } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, thrownBy } from '../helpers/objects.js'
import { discard, emit, loadRing, numberOf, range } from '../helpers/producer.js'
import { until } from '../helpers/until.js'

type Read = (ring: RingBuffer, count: number) => Promise<Uint8Array[]>

/** The ways to read, each until it has so many records. */
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
  it('gives all records, in order', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    const sent = emit(object, 10_000)
    expect(sent.length).toBe(10_000)
    expect((await read(ring, 10_000)).map(numberOf)).toEqual(sent)
    expect(ring.availableBytes).toBe(0)
  })

  it('gives them whatever the limits of a batch are', async () => {
    using object = loadRing()
    for (const options of [{ batchSize: 1 }, { batchSize: 7 }, { slabSize: 64 }, { slabSize: 100 }]) {
      using ring = object.ringBuffer('events', undefined, options)
      const sent = emit(object, 500)
      expect((await read(ring, 500)).map(numberOf)).toEqual(sent)
    }
  })

  it('gives records of all sizes, byte by byte, also those larger than its memory', async () => {
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

  it('goes on where the ring begins again, many times over', async () => {
    using object = loadRing(4096)
    using ring = object.ringBuffer('events')
    for (let i = 0; i < 200; i++) {
      const sent = emit(object, 1 + (i % 60), 8 + (i % 41))
      expect((await read(ring, sent.length)).map(numberOf)).toEqual(sent)
    }
    expect(ring.consumerPosition).toBeGreaterThan(4096n * 20n)
    expect(ring.consumerPosition).toBe(ring.producerPosition)
  })

  it('leaves out what was discarded', async () => {
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

  it('loses nothing that fits into a ring that is full', async () => {
    using object = loadRing(4096)
    using ring = object.ringBuffer('events')
    const sent = emit(object, 1000)
    expect(Number(object.bss.lost)).toBe(1000 - sent.length)
    // Each takes 8 bytes and a header of 8; the last byte is never used.
    expect(sent.length).toBe(4096 / 16 - 1)
    expect(ring.availableBytes).toBe(sent.length * 16)
    const first = (await read(ring, sent.length)).map(numberOf)
    const more = emit(object, 10)
    expect([...first, ...(await read(ring, 10)).map(numberOf)]).toEqual([...sent, ...more])
  })
})

describe('a record', () => {
  it('is what its type in BTF makes it', async () => {
    using object = loadRing()
    using ring = object.ringBuffer<{ number: bigint }>('events', 'record')
    emit(object, 3)
    const records: { number: bigint }[] = []
    ring.on((record) => records.push(record))
    ring.consume()
    expect(records).toEqual([{ number: 0n }, { number: 1n }, { number: 2n }])
  })

  it('is a copy without a type, and stays what it was', async () => {
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

  it('that is shorter than its type is an error for who asks for it, and the next reader goes on', async () => {
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
    // As an error ends a generator.
    expect(await reader.next()).toEqual({ done: true, value: undefined })
    expect((await ring[Symbol.asyncIterator]().next()).value).toEqual({ number: 1n })
  })
})

describe('a ring buffer', () => {
  it('knows its size, its fill and its positions', () => {
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

  it('is made of a map of its type', () => {
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
  ])('takes no options like %o', (options, error) => {
    using object = loadRing()
    expect(thrownBy(() => object.ringBuffer('events', undefined, options as object))).toBeInstanceOf(error)
  })

  it('outlives its object', async () => {
    const object = loadRing()
    using ring = object.ringBuffer('events')
    const sent = emit(object, 5)
    object.close()
    const records: number[] = []
    ring.on((record) => records.push(numberOf(record)))
    expect(ring.consume()).toBe(5)
    expect(records).toEqual(sent)
  })

  it('says that it is closed', async () => {
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

describe('consume', () => {
  it('delivers what is there, up to a limit, and says how many', () => {
    using object = loadRing()
    using ring = object.ringBuffer('events', undefined, { batchSize: 4 })
    const seen: number[] = []
    expect(() => ring.consume()).toThrow('has no callback: call on() or drain() first')
    ring.on((record) => seen.push(numberOf(record)))
    expect(ring.consume()).toBe(0)
    const sent = emit(object, 20)
    expect(ring.consume(3)).toBe(3)
    expect(seen).toEqual(sent.slice(0, 3))
    expect(ring.consume(7)).toBe(7)
    expect(seen).toEqual(sent.slice(0, 10))
    expect(ring.consume()).toBe(10)
    expect(seen).toEqual(sent)
  })

  it('is not for the reader that it calls', () => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    const errors: unknown[] = []
    ring.on(() => errors.push(thrownBy(() => ring.consume())))
    emit(object, 2)
    expect(ring.consume()).toBe(2)
    expect(errors).toMatchObject([{ code: 'ERR_BPF_BUSY' }, { code: 'ERR_BPF_BUSY' }])
  })
})

describe('two readers', () => {
  const start: [string, (ring: RingBuffer) => unknown][] = [
    ['on', (ring) => ring.on(() => {})],
    ['drain', (ring) => ring.drain(() => {})],
    ['for await', (ring) => ring[Symbol.asyncIterator]()],
  ]
  const pairs = start.flatMap(([a, first]) => start.map(([b, second]) => [a, b, first, second] as const))

  it.each(pairs)('%s and %s are refused, and the first reads on', async (_, __, first, second) => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    first(ring)
    expect(thrownBy(() => second(ring))).toMatchObject({ code: 'ERR_BPF_STATE' })
    expect(() => second(ring)).toThrow('is being read already')
    ring.stop()
    second(ring)
  })

  it('of one map are refused in one process', () => {
    using object = loadRing()
    {
      using ring = object.ringBuffer('events')
      const error = thrownBy(() => object.ringBuffer('events'))
      expect(error).toMatchObject({ code: 'EBUSY', map: 'events' })
      expect(ring.size).toBe(1 << 20)
    }
    using again = object.ringBuffer('events')
    expect(again.size).toBe(1 << 20)
  })
})

describe('the object', () => {
  it('has to be loaded', () => {
    const closed = load('ring') as BpfObject
    closed.close()
    expect(thrownBy(() => closed.ringBuffer('events'))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })
})
