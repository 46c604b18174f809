import { describe, expect, it } from 'vitest'
import { thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { Rings } from './rings.js'

/** Calls `tick` in each turn of the event loop. Returns how to end it. */
function eachTurn(tick: () => void): () => void {
  let over = false
  const next = (): void => {
    if (over) return
    tick()
    setTimeout(next, 0)
  }
  next()
  return () => {
    over = true
  }
}

const busyMs = (ms: number): void => {
  const end = performance.now() + ms
  while (performance.now() < end);
}

describe('a turn of the event loop', () => {
  it('delivers batchSize records of a ring, at most', async () => {
    using rings = new Rings()
    using reader = rings.reader({ batchSize: 7 })
    rings.produce(100)
    const batches: number[] = [0]
    let count = 0
    reader.on(() => {
      count++
      batches[batches.length - 1]!++
      // Immediates run right after the event loop has polled.
      if (batches.at(-1) === 1) setImmediate(() => batches.push(0))
    })
    await until('all have come', () => count === 100)
    expect(batches.filter((size) => size > 0)).toEqual([...Array(14).fill(7), 2])
  })

  it('leaves the records beyond batchSize in the kernel', async () => {
    using rings = new Rings()
    using reader = rings.reader({ batchSize: 10 })
    rings.produce(30)
    const position = await new Promise<bigint>((resolve) => {
      reader.on(() => resolve(reader.consumerPosition))
    })
    expect(position).toBe(240n)
  })

  it('ends soon after turnTime if the listener is slow, so that timers run', async () => {
    using rings = new Rings()
    using reader = rings.reader({ turnTime: 4 })
    rings.produce(120)
    let inARow = 0
    let most = 0
    let count = 0
    const end = eachTurn(() => {
      inARow = 0
    })
    reader.on(() => {
      count++
      most = Math.max(most, ++inARow)
      busyMs(1)
    })
    await until('all have come', () => count === 120)
    end()
    // The reader does not look at the clock after each record, but after a few.
    expect(most).toBeLessThanOrEqual(8)
  })

  it('ends soon after turnTime if a fast listener becomes slow', async () => {
    using rings = new Rings({ bytes: 1 << 17 })
    using reader = rings.reader({ turnTime: 4 })
    rings.produce(3000)
    let inARow = 0
    let most = 0
    let count = 0
    const end = eachTurn(() => {
      inARow = 0
    })
    reader.on(() => {
      if (++count <= 1500) return
      most = Math.max(most, ++inARow)
      busyMs(0.2)
    })
    await until('all have come', () => count === 3000)
    end()
    // The reader looks at the clock after at most 512 records, and is careful from then on.
    expect(most).toBeLessThanOrEqual(550)
  })

  it('has one turnTime for all rings together', async () => {
    using rings = new Rings({ rings: 16, bytes: 4096 })
    using reader = rings.reader({ turnTime: 4 })
    for (let ring = 0; ring < 16; ring++) rings.produce(10, { ring })
    let inARow = 0
    let most = 0
    const from = Array(16).fill(0)
    const end = eachTurn(() => {
      inARow = 0
    })
    reader.on(({ ring }) => {
      from[ring]++
      most = Math.max(most, ++inARow)
      busyMs(1)
    })
    await until('all have come', () => from.every((count) => count === 10))
    end()
    expect(most).toBeLessThanOrEqual(8)
  })

  it.each(['for await', 'batches'])(
    'with a turnTime of 0 delivers records and lets the event loop go on: %s',
    async (way) => {
      using rings = new Rings()
      using reader = rings.reader({ turnTime: 0, batchSize: 10 })
      rings.produce(500)
      let turns = 0
      let over = false
      setImmediate(function tick() {
        turns++
        if (!over) setImmediate(tick)
      })
      let count = 0
      if (way === 'for await') {
        for await (const _ of reader) if (++count === 500) break
      } else {
        for await (const records of reader.batches()) {
          count += records.length
          if (count === 500) break
        }
      }
      over = true
      expect(count).toBe(500)
      expect(turns).toBeGreaterThan(5)
    },
  )

  it('is limited by options that are checked', () => {
    using rings = new Rings()
    const refused = { batchSize: 0, turnTime: -1, interval: -1, slabSize: 1 }
    for (const [name, value] of Object.entries(refused)) {
      expect(thrownBy(() => rings.reader({ [name]: value }))).toBeInstanceOf(RangeError)
      expect(thrownBy(() => rings.reader({ [name]: value }))).toMatchObject({
        message: expect.stringContaining(name),
      })
      expect(thrownBy(() => rings.reader({ [name]: Number.NaN }))).toBeInstanceOf(TypeError)
    }
    // None of these readers is left behind.
    rings.reader().close()
  })
})
