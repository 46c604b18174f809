import { describe, expect, it } from 'vitest'
import { thrownBy } from '../helpers/objects.js'
import { type Numbered, numbers, Rings, recordBytes, turns, upTo } from './rings.js'

describe('consume()', () => {
  it('delivers up to `limit` records and leaves the others in the kernel', () => {
    using rings = new Rings({ rings: 3 })
    using reader = rings.reader({ batchSize: 16 })
    for (const ring of [0, 1, 2]) rings.produce(40, { ring })
    const seen: number[] = []
    reader.on(({ number }) => seen.push(Number(number)))
    for (const limit of [0, 1, 15, 16, 17, 33]) {
      const before = seen.length
      expect(reader.consume(limit)).toBe(limit)
      expect(seen.length - before).toBe(limit)
      // No record waits in the slab.
      expect(reader.availableBytes).toBe((120 - seen.length) * recordBytes)
    }
    expect(reader.consume(1000)).toBe(120 - 82)
    expect(reader.consume()).toBe(0)
    expect(seen).toEqual(upTo(120))
  })

  it('also delivers while the reader is paused', async () => {
    using rings = new Rings()
    using reader = rings.reader()
    const seen: bigint[] = []
    reader.on(({ number }) => seen.push(number))
    reader.pause()
    rings.produce(3)
    expect(reader.consume(2)).toBe(2)
    await turns(3)
    expect(seen).toEqual([0n, 1n])
  })

  it('first delivers what a turn has left when its time was up', async () => {
    using rings = new Rings()
    using reader = rings.reader({ turnTime: 0 })
    rings.produce(100)
    const seen: number[] = []
    let count = 0
    await new Promise<void>((resolve) => {
      reader.on(({ number }) => {
        seen.push(Number(number))
        if (++count === 1) setImmediate(resolve)
      })
    })
    const before = seen.length
    expect(before).toBeLessThan(100)
    expect(reader.consume()).toBe(100 - before)
    expect(seen).toEqual(upTo(100))
    // The event loop goes on, too.
    rings.produce(2)
    await turns(5)
    expect(seen).toEqual(upTo(102))
  })

  it('ends when the callback stops, pauses or closes the reader, and returns how many records it has delivered', () => {
    using rings = new Rings()
    for (const how of ['stop', 'close', 'pause'] as const) {
      using reader = rings.reader()
      rings.produce(10)
      let count = 0
      reader.on(() => {
        if (++count === 4) reader[how]()
      })
      expect(reader.consume()).toBe(4)
      expect(count).toBe(4)
    }
  })

  it.each([
    [Number.NaN, TypeError],
    [1.5, TypeError],
    ['3', TypeError],
    [-1, RangeError],
  ])('refuses %s as a limit', (limit, type) => {
    using rings = new Rings()
    using reader = rings.reader()
    rings.produce(1)
    reader.on(() => {})
    const error = thrownBy(() => reader.consume(limit as number))
    expect(error).toBeInstanceOf(type)
    expect(error).toMatchObject({ message: expect.stringContaining('limit') })
    expect(reader.consume(Number.POSITIVE_INFINITY)).toBe(1)
  })

  it('needs a callback, and cannot be called by it', () => {
    using rings = new Rings()
    using reader = rings.reader()
    expect(thrownBy(() => reader.consume())).toMatchObject({
      code: 'ERR_BPF_STATE',
      message: "ring buffer 'ring0' has no callback: call on() or drain() first",
    })
    rings.produce(1)
    let error: unknown
    reader.on(() => {
      error = thrownBy(() => reader.consume())
    })
    expect(reader.consume()).toBe(1)
    expect(error).toMatchObject({ code: 'ERR_BPF_BUSY' })
  })
})

describe('batches()', () => {
  it('returns arrays in order and loses nothing while more records are written', async () => {
    using rings = new Rings({ bytes: 1 << 12 })
    using reader = rings.reader({ batchSize: 32 })
    let sent = rings.produce(100)
    const seen: number[] = []
    for await (const records of reader.batches()) {
      expect(Array.isArray(records)).toBe(true)
      expect(records.length).toBeGreaterThan(0)
      expect(records.length).toBeLessThanOrEqual(32)
      seen.push(...numbers(records))
      if (sent < 2000) sent += rings.produce(25)
      if (seen.length === sent) break
    }
    expect(seen).toEqual(upTo(sent))
  })

  it('takes no records from the kernel before you ask for them', async () => {
    using rings = new Rings()
    using reader = rings.reader({ batchSize: 8 })
    rings.produce(24)
    const batches = reader.batches()
    await turns()
    expect(reader.availableBytes).toBe(24 * recordBytes)
    await batches.next()
    await turns()
    expect(reader.availableBytes).toBe(16 * recordBytes)
    await batches.return!()
  })

  it('answers several calls of next() one after the other', async () => {
    using rings = new Rings()
    using reader = rings.reader({ batchSize: 5 })
    const batches = reader.batches()
    const asked = upTo(4).map(() => batches.next())
    rings.produce(20)
    const got = (await Promise.all(asked)).map(({ value }) => numbers(value!))
    expect(got.flat()).toEqual(upTo(20))
    await batches.return!()
  })
})

describe('batches() with a codec that throws', () => {
  it.each([1, 2, 3])('delivers the records before the one that it throws at: record %i', async (bad) => {
    using rings = new Rings()
    const codec = rings.object.codec<Numbered>('record')
    const decode: typeof codec.decode = (...args) => {
      const record = codec.decode(...args)
      if (Number(record.number) === bad) throw new RangeError('refused')
      return record
    }
    using reader = rings.reader({ codec: { ...codec, decode } })
    rings.produce(5)
    const seen: number[] = []
    const reading = async (): Promise<void> => {
      for await (const records of reader.batches()) seen.push(...numbers(records))
    }
    await expect(reading()).rejects.toThrow('refused')
    expect(seen).toEqual(upTo(bad))
    // The next reader gets the records that follow.
    reader.on(({ number }) => seen.push(Number(number)))
    expect(reader.consume()).toBe(4 - bad)
    expect(seen).toEqual(upTo(5).filter((number) => number !== bad))
  })

  it('keeps that record for the next reader if nobody asks for the error', async () => {
    using rings = new Rings()
    const codec = rings.object.codec<Numbered>('record')
    let refuses = true
    const decode: typeof codec.decode = (...args) => {
      const record = codec.decode(...args)
      if (refuses && record.number === 2n) throw new RangeError('refused')
      return record
    }
    using reader = rings.reader({ codec: { ...codec, decode } })
    rings.produce(5)
    const seen: number[] = []
    for await (const records of reader.batches()) {
      seen.push(...numbers(records))
      break
    }
    refuses = false
    reader.on(({ number }) => seen.push(Number(number)))
    reader.consume()
    expect(seen).toEqual(upTo(5))
  })
})

describe('a slow iteration', () => {
  it('leaves what it has not asked for in the kernel, where a full ring loses it', async () => {
    using rings = new Rings({ bytes: 1 << 12 })
    using reader = rings.reader({ batchSize: 10 })
    const fits = rings.produce(1000)
    expect(fits).toBe(170)
    const seen: number[] = []
    for await (const { number } of reader) {
      seen.push(Number(number))
      await turns(1)
      // Only one batch has been taken from the kernel.
      const inMemory = Math.ceil(seen.length / 10) * 10
      expect(reader.availableBytes).toBe((fits - inMemory) * recordBytes)
      if (seen.length === 30) break
    }
    expect(seen).toEqual(upTo(30))
    expect(rings.produce(1000)).toBe(30)
  })

  it('lets timers run although the ring is never empty', async () => {
    using rings = new Rings()
    using reader = rings.reader()
    rings.produce(500)
    let timers = 0
    const timer = setInterval(() => timers++, 1)
    for await (const _ of reader) {
      rings.produce(1)
      if (timers >= 3) break
    }
    clearInterval(timer)
    for await (const records of reader.batches()) {
      rings.produce(records.length)
      if (timers >= 3) break
    }
    expect(reader.availableBytes).toBeGreaterThan(0)
  })
})
