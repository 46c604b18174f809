import { describe, expect, it } from 'vitest'
import { thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { type Numbered, numbers, Rings, recordBytes, turns, upTo } from './rings.js'

describe('several rings in one reader', () => {
  it('are all read, each in its order', async () => {
    using rings = new Rings({ rings: 64, bytes: 4096 })
    using reader = rings.reader()
    const seen = upTo(64).map((): number[] => [])
    reader.on(({ number, ring }) => seen[ring]!.push(Number(number)))
    for (let round = 0; round < 3; round++) {
      for (let ring = 0; ring < 64; ring++) rings.produce(10, { ring })
      await turns(2)
    }
    await until('all have come', () => seen.flat().length === 64 * 30)
    for (const [ring, got] of seen.entries()) {
      expect(got).toEqual([0, 640, 1280].flatMap((first) => upTo(10, first + 10 * ring)))
    }
  })

  it('sum up their sizes and positions', () => {
    using rings = new Rings({ rings: 3, bytes: 4096 })
    using reader = rings.reader()
    expect(reader.size).toBe(3 * 4096)
    expect(reader.availableBytes).toBe(0)
    for (const ring of [0, 1, 2]) rings.produce(5, { ring })
    expect(reader.availableBytes).toBe(15 * recordBytes)
    expect(reader.producerPosition).toBe(15n * BigInt(recordBytes))
    expect(reader.consumerPosition).toBe(0n)
    reader.on(() => {})
    expect(reader.consume()).toBe(15)
    expect(reader.availableBytes).toBe(0)
    expect(reader.consumerPosition).toBe(15n * BigInt(recordBytes))
  })

  it('can be added and removed while a callback reads', async () => {
    using rings = new Rings({ rings: 2 })
    using reader = rings.reader({}, 1)
    const seen: Numbered[] = []
    reader.on((record) => seen.push(record))
    rings.produce(3, { ring: 1 })
    reader.add(rings.maps[1]!)
    await until('the new ring is read', () => seen.length === 3)
    reader.remove(rings.maps[0]!)
    rings.produce(2, { ring: 0 })
    rings.produce(2, { ring: 1 })
    await until('the other goes on', () => seen.length === 5)
    await turns()
    expect(seen.map(({ ring }) => ring)).toEqual([1, 1, 1, 1, 1])
    expect(numbers(seen)).toEqual([0, 1, 2, 5, 6])
    // Records that were not read wait for the next reader.
    reader.add(rings.maps[0]!)
    await until('the removed ring is back', () => seen.length === 7)
    expect(numbers(seen).slice(5)).toEqual([3, 4])
  })

  it('can be added and removed during an iteration', async () => {
    using rings = new Rings({ rings: 2 })
    using reader = rings.reader({}, 1)
    const iterator = reader[Symbol.asyncIterator]()
    const waiting = iterator.next()
    reader.add(rings.maps[1]!)
    rings.produce(2, { ring: 1 })
    expect((await waiting).value).toMatchObject({ ring: 1, number: 0n })
    reader.remove(rings.maps[1]!)
    rings.produce(1, { ring: 0 })
    // The second record of ring 1 was in the batch, and was dropped with it.
    expect((await iterator.next()).value).toMatchObject({ ring: 0, number: 2n })
    await iterator.return!()
  })

  it('can be removed by the callback that reads them', async () => {
    using rings = new Rings({ rings: 3 })
    for (const mode of ['event loop', 'consume()'] as const) {
      using reader = rings.reader()
      const from = upTo(3).map(() => 0)
      for (const ring of [0, 1, 2]) rings.produce(4, { ring })
      reader.on(({ ring }) => {
        from[ring]!++
        if (ring < 2 && from[ring] === 1) reader.remove(rings.maps[ring]!)
      })
      if (mode === 'consume()') expect(reader.consume()).toBe(6)
      await until('the last ring is read', () => from[2] === 4)
      expect(from).toEqual([1, 1, 4])
    }
  })

  it('can be removed by a callback before their turn', () => {
    using rings = new Rings({ rings: 3 })
    using reader = rings.reader()
    for (const ring of [0, 1, 2]) rings.produce(2, { ring })
    const seen: number[] = []
    reader.on(({ ring }) => {
      seen.push(ring)
      if (seen.length === 1) reader.remove(rings.maps[1]!)
    })
    expect(reader.consume()).toBe(4)
    expect(seen).toEqual([0, 0, 2, 2])
  })

  it('can be added by a callback', async () => {
    using rings = new Rings({ rings: 2 })
    using reader = rings.reader({}, 1)
    rings.produce(1, { ring: 0 })
    rings.produce(1, { ring: 1 })
    const seen: number[] = []
    reader.on(({ ring }) => {
      seen.push(ring)
      if (ring === 0) reader.add(rings.maps[1]!)
    })
    await until('both are read', () => seen.length === 2)
    expect(seen).toEqual([0, 1])
  })

  it('can only be removed if they were added', () => {
    using rings = new Rings({ rings: 2 })
    using reader = rings.reader({}, 1)
    expect(thrownBy(() => reader.remove(rings.maps[1]!))).toMatchObject({
      code: 'ERR_BPF_NOT_FOUND',
      message: "map 'ring1' is not read by this ring buffer",
    })
  })
})

describe('a ring that is never empty', () => {
  const batchSize = 50

  it('keeps other rings waiting for one batch, at most, with a callback', async () => {
    using rings = new Rings({ rings: 2 })
    using reader = rings.reader({ batchSize })
    let saturated = 0
    rings.produce(1000)
    const between = await new Promise<number>((resolve) => {
      let since = 0
      reader.on(({ ring }) => {
        if (ring === 1) return resolve(saturated - since)
        // The ring is filled as fast as it is read.
        rings.produce(1)
        if (++saturated !== 500) return
        rings.produce(1, { ring: 1 })
        since = saturated
      })
    })
    // The rest of the current batch, and the next one.
    expect(between).toBeLessThanOrEqual(2 * batchSize)
    expect(reader.availableBytes).toBeGreaterThan(0)
  })

  it.each(['records', 'batches'] as const)(
    'keeps other rings waiting for one batch, at most, iterated by %s',
    async (by) => {
      using rings = new Rings({ rings: 2 })
      using reader = rings.reader({ batchSize })
      rings.produce(1000)
      rings.produce(1, { ring: 1 })
      let saturated = 0
      const source =
        by === 'batches'
          ? reader.batches()
          : (async function* () {
              for await (const record of reader) yield [record]
            })()
      for await (const records of source) {
        if (records.some(({ ring }) => ring === 1)) break
        saturated += records.length
        rings.produce(records.length)
      }
      expect(saturated).toBe(batchSize)
    },
  )
})
