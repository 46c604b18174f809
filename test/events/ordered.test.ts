import { OrderedEvents, type RingBuffer } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { type Numbered, Rings, upTo } from './rings.js'

const byNumber = ({ number }: Numbered) => number
const hour = 3_600_000

/** One reader for each ring. */
const readersOf = (rings: Rings, count: number): RingBuffer<Numbered>[] =>
  rings.maps.slice(0, count).map((map) => rings.readerOf(map))

async function take(events: OrderedEvents<Numbered>, count: number): Promise<number[]> {
  const seen: number[] = []
  for await (const { number } of events) {
    seen.push(Number(number))
    if (seen.length === count) break
  }
  return seen
}

function closeAll(readers: readonly RingBuffer<Numbered>[]): void {
  for (const reader of readers) reader.close()
}

describe('OrderedEvents', () => {
  it('merges several rings in the order of a member', async () => {
    using rings = new Rings({ rings: 3, bytes: 1 << 16 })
    const readers = readersOf(rings, 3)
    const events = new OrderedEvents(readers, { by: 'number', window: 5 })
    // The last ring has the oldest records.
    for (let round = 0; round < 20; round++) for (const ring of [2, 0, 1]) rings.produce(10, { ring })
    expect(await take(events, 600)).toEqual(upTo(600))
    expect([events.late, events.early, events.waiting]).toEqual([0, 0, 0])
    closeAll(readers)
  })

  it('continues with the records that wait after the loop was left', async () => {
    using rings = new Rings({ rings: 2 })
    const readers = readersOf(rings, 2)
    const events = new OrderedEvents(readers, { by: byNumber, window: 1 })
    for (const ring of [1, 0, 1]) rings.produce(5, { ring })
    expect(await take(events, 4)).toEqual(upTo(4))
    expect(events.waiting).toBe(11)
    rings.produce(5, { ring: 0 })
    expect(await take(events, 16)).toEqual(upTo(16, 4))
    closeAll(readers)
  })

  it('counts the records that come too late, and delivers them', async () => {
    using rings = new Rings({ rings: 2 })
    const readers = readersOf(rings, 2)
    const events = new OrderedEvents(readers, { by: ({ number }) => -number, window: 0 })
    const seen: number[] = []
    rings.produce(1, { ring: 0 })
    for await (const { number } of events) {
      seen.push(Number(number))
      // Each record is older than the one before, and comes when that one was delivered.
      if (seen.length < 4) rings.produce(1, { ring: seen.length % 2 })
      else break
    }
    expect(seen).toEqual([0, 1, 2, 3])
    expect(events.late).toBe(3)
    closeAll(readers)
  })

  it('never holds more than its capacity for long', async () => {
    using rings = new Rings({ rings: 1, bytes: 1 << 16 })
    const readers = readersOf(rings, 1)
    const events = new OrderedEvents(readers, { by: byNumber, window: 60_000, capacity: 10 })
    rings.produce(100)
    expect(await take(events, 90)).toEqual(upTo(90))
    expect([events.early, events.waiting]).toEqual([90, 10])
    closeAll(readers)
  })

  it('delivers what waits when the readers are closed, and ends', async () => {
    using rings = new Rings({ rings: 2 })
    const readers = readersOf(rings, 2)
    const events = new OrderedEvents(readers, { by: byNumber, window: 60_000 })
    for (const ring of [1, 0]) rings.produce(3, { ring })
    const all = take(events, hour)
    while (events.waiting < 6) await new Promise((resolve) => setTimeout(resolve, 1))
    closeAll(readers)
    expect(await all).toEqual(upTo(6))
  })

  it('does not lose its place if the consumer is slow', async () => {
    using rings = new Rings({ rings: 2, bytes: 1 << 16 })
    const readers = readersOf(rings, 2)
    const events = new OrderedEvents(readers, { by: byNumber, window: 1, capacity: 50 })
    const seen: number[] = []
    for (const ring of [1, 0]) rings.produce(400, { ring })
    for await (const { number } of events) {
      seen.push(Number(number))
      if (seen.length % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
      if (seen.length === 800) break
    }
    expect(seen.toSorted((a, b) => a - b)).toEqual(upTo(800))
    closeAll(readers)
  })

  it('fails with the error of a time that is no number', async () => {
    using rings = new Rings({ rings: 1 })
    const readers = readersOf(rings, 1)
    const events = new OrderedEvents(readers, { by: 'nothing' as 'number' })
    rings.produce(1)
    await expect(take(events, 1)).rejects.toThrow('the time of a record is not a number: undefined')
    closeAll(readers)
  })

  it('has one iteration at a time', async () => {
    using rings = new Rings({ rings: 1 })
    const readers = readersOf(rings, 1)
    const events = new OrderedEvents(readers, { by: 'number', window: 1 })
    const first = take(events, 1)
    await expect(take(events, 1)).rejects.toMatchObject({ code: 'ERR_BPF_BUSY' })
    rings.produce(1)
    expect(await first).toEqual([0])
    closeAll(readers)
  })

  it('refuses wrong options', () => {
    using rings = new Rings({ rings: 1 })
    const readers = readersOf(rings, 1)
    expect(() => new OrderedEvents([], { by: 'number' })).toThrow('readers is empty')
    expect(() => new OrderedEvents(readers, {} as never)).toThrow('by is neither')
    expect(() => new OrderedEvents(readers, { by: 'number', window: -1 })).toThrow('window is not')
    expect(() => new OrderedEvents(readers, { by: 'number', capacity: 0 })).toThrow('capacity is not')
    closeAll(readers)
  })
})
