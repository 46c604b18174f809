import type { BpfObject, RingBuffer } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, open } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { upTo } from './rings.js'

const most = 64 << 10
const packet = new Uint8Array(64)
/** Neighboring places in this pattern differ. */
const pattern = Uint8Array.from({ length: most }, (_, i) => (i * 31 + (i >> 8)) & 255)

function loadWithRing(bytes: number): BpfObject {
  const object = open('events-sizes')
  object.map('events').maxEntries = bytes
  object.loadSync()
  object.bss.bytes = pattern
  return object
}

/** Writes a record. Returns false if it does not fit. */
function write(object: BpfObject, size: number): boolean {
  object.bss.size = size
  return object.program('output').testRunSync({ data: packet }).retval === 0
}

/** Whether a record is equal to the beginning of the pattern. */
const isWhole = (record: Uint8Array): boolean =>
  Buffer.from(record.buffer, record.byteOffset, record.length).equals(pattern.subarray(0, record.length))

/** Reads and checks all records. Returns their sizes. */
function readAll(ring: RingBuffer): number[] {
  const sizes: number[] = []
  ring.on((record) => sizes.push(isWhole(record) ? record.length : -1))
  ring.consume()
  ring.stop()
  return sizes
}

describe('records of 8 bytes to 64 KiB', () => {
  /** Mostly small sizes, as in practice, around each power of two. */
  const sizes = upTo(400).map((i) => {
    const power = 8 << (i % 14)
    return Math.min(most, Math.max(1, power + (Math.imul(i, 2654435761) % 17)))
  })

  it.each([64, 4096, 1 << 18])(
    'arrive complete and in order through a slab of %s bytes',
    async (slabSize) => {
      using object = loadWithRing(1 << 18)
      using ring = object.ringBuffer('events', undefined, { slabSize, batchSize: 50 })
      const written: number[] = []
      const seen: number[] = []
      ring.on((record) => seen.push(isWhole(record) ? record.length : -1))
      for (const size of sizes) {
        if (!write(object, size)) {
          await until('there is room', () => seen.length === written.length)
          expect(write(object, size)).toBe(true)
        }
        written.push(size)
      }
      await until('all have come', () => seen.length === written.length)
      expect(seen).toEqual(sizes)
    },
  )

  it('arrive in all ways of reading although the slab is too small', async () => {
    using object = loadWithRing(1 << 18)
    const records = [8, 40_000, 8, 65_536, 16, 50_000]
    const ways: ((ring: RingBuffer) => Promise<number[]>)[] = [
      async (ring) => readAll(ring),
      async (ring) => {
        const seen: number[] = []
        for await (const record of ring) {
          seen.push(isWhole(record) ? record.length : -1)
          if (seen.length === records.length) break
        }
        return seen
      },
      async (ring) => {
        const seen: number[] = []
        for await (const batch of ring.batches()) {
          for (const record of batch) seen.push(isWhole(record) ? record.length : -1)
          if (seen.length === records.length) break
        }
        return seen
      },
      async (ring) => {
        const seen: number[] = []
        ring.drain((view, offset, length) => {
          const record = new Uint8Array(view.buffer, offset, length)
          seen.push(isWhole(record) ? record.length : -1)
        })
        await until('all have come', () => seen.length === records.length)
        return seen
      },
    ]
    for (const way of ways) {
      using ring = object.ringBuffer('events', undefined, { slabSize: 64 })
      for (const size of records) expect(write(object, size)).toBe(true)
      expect(await way(ring)).toEqual(records)
    }
  })

  it('are not lost if the reader stops before one that needs a larger slab', async () => {
    using object = loadWithRing(1 << 18)
    using ring = object.ringBuffer('events', undefined, { slabSize: 64 })
    for (const size of [8, 30_000, 8]) write(object, size)
    const seen: number[] = []
    await new Promise<void>((resolve) => {
      ring.on((record) => {
        seen.push(record.length)
        ring.stop()
        resolve()
      })
    })
    expect(seen).toEqual([8])
    expect(readAll(ring)).toEqual([30_000, 8])
  })
})

describe('the end of a ring', () => {
  const bytes = 4096

  it.each(upTo(8, 4073))('may lie anywhere in a record of %s bytes', (size) => {
    using object = loadWithRing(bytes)
    using ring = object.ringBuffer('events')
    const starts = new Set<number>()
    let wrong = 0
    ring.on((record) => {
      if (record.length !== size || !isWhole(record)) wrong++
    })
    // Each record, with its header, is 8 bytes shorter than the ring, so it begins 8 bytes before the one before it.
    for (let i = 0; i < bytes / 8; i++) {
      starts.add(Number(ring.producerPosition) % bytes)
      expect(write(object, size)).toBe(true)
      expect(ring.consume()).toBe(1)
    }
    expect(starts.size).toBe(bytes / 8)
    expect(wrong).toBe(0)
  })

  it('may lie in records of all sizes', () => {
    using object = loadWithRing(bytes)
    using ring = object.ringBuffer('events')
    for (let size = 1; size <= bytes - 16; size += 7) {
      const count = Math.min(3, Math.floor((bytes - 8) / (8 + ((size + 7) & ~7)))) || 1
      for (let i = 0; i < count; i++) expect(write(object, size)).toBe(true)
      expect(readAll(ring)).toEqual(Array(count).fill(size))
    }
  })
})

describe('records that the program discards', () => {
  const run = (object: BpfObject, count: number): void => {
    object.program('count').testRunSync({ data: packet, repeat: count })
  }
  const collect = (ring: RingBuffer) => {
    const seen: number[] = []
    ring.drain((view, offset) => seen.push(Number(view.getBigUint64(offset, true))))
    return seen
  }

  it('are left out', async () => {
    using object = load('events-sizes')
    using ring = object.ringBuffer('events', undefined, { batchSize: 100 })
    object.bss.discard_every = 3
    const seen = collect(ring)
    for (let round = 0; round < 10; round++) {
      run(object, 1000)
      await until('the ring is empty', () => ring.availableBytes === 0)
    }
    const kept = upTo(10_000).filter((number) => number % 3 !== 0)
    await until('all others have come', () => seen.length === kept.length)
    expect(seen).toEqual(kept)
  })

  it('are not counted by consume()', () => {
    using object = load('events-sizes')
    using ring = object.ringBuffer('events')
    object.bss.discard_every = 2
    run(object, 10)
    const seen = collect(ring)
    expect(ring.consume(3)).toBe(3)
    expect(ring.consume()).toBe(2)
    expect(seen).toEqual([1, 3, 5, 7, 9])
  })

  it('make room again, and do not hide the record after them', async () => {
    using object = load('events-sizes')
    using ring = object.ringBuffer('events')
    object.bss.discard_every = 1
    const seen = collect(ring)
    for (let round = 0; round < 5; round++) {
      run(object, 5000)
      await until('they are gone', () => ring.availableBytes === 0)
    }
    object.bss.discard_every = 0
    run(object, 1)
    await until('it has come', () => seen.length === 1)
    expect(seen).toEqual([25_000])
  })
})
