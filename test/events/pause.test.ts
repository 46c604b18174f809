import { describe, expect, it } from 'vitest'
import { thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { numbers, Rings, recordBytes, turns, upTo } from './rings.js'

describe('pause()', () => {
  it('leaves records in the kernel until resume', async () => {
    using rings = new Rings()
    using reader = rings.reader()
    const seen: bigint[] = []
    reader.on(({ number }) => seen.push(number))
    reader.pause()
    rings.produce(50)
    await turns()
    expect(seen).toEqual([])
    expect(reader.availableBytes).toBe(50 * recordBytes)
    reader.resume()
    await until('all have come', () => seen.length === 50)
    expect(reader.availableBytes).toBe(0)
  })

  it('takes effect before the next record when the callback calls it', async () => {
    using rings = new Rings()
    using reader = rings.reader()
    rings.produce(200)
    const seen: number[] = []
    reader.on(({ number }) => {
      seen.push(Number(number))
      if (seen.length % 70 === 3) reader.pause()
    })
    await until('it pauses', () => seen.length > 0)
    await turns()
    expect(seen.length).toBe(3)
    reader.resume()
    await until('it pauses again', () => seen.length > 3)
    await turns()
    expect(seen.length).toBe(73)
    reader.resume()
    reader.resume()
    await until('it pauses a third time', () => seen.length > 73)
    reader.resume()
    await until('all have come', () => seen.length === 200)
    expect(seen).toEqual(upTo(200))
  })

  it('has no effect if resume() follows at once', async () => {
    using rings = new Rings()
    using reader = rings.reader()
    rings.produce(200)
    const seen: number[] = []
    reader.on(({ number }) => {
      seen.push(Number(number))
      reader.pause()
      reader.resume()
    })
    await until('all have come', () => seen.length === 200)
    rings.produce(5)
    await until('those after it have come', () => seen.length === 205)
    expect(seen).toEqual(upTo(205))
  })

  it('keeps an iteration waiting', async () => {
    using rings = new Rings()
    using reader = rings.reader()
    rings.produce(4)
    const iterator = reader[Symbol.asyncIterator]()
    expect((await iterator.next()).value?.number).toBe(0n)
    reader.pause()
    let came = false
    const next = iterator.next().then((result) => {
      came = true
      return result
    })
    await turns()
    expect(came).toBe(false)
    reader.resume()
    expect((await next).value?.number).toBe(1n)
    await iterator.return!()
  })

  it('also applies to a reader that starts later', async () => {
    using rings = new Rings()
    using reader = rings.reader()
    reader.pause()
    rings.produce(1)
    const seen: bigint[] = []
    reader.on(({ number }) => seen.push(number))
    await turns()
    expect(seen).toEqual([])
    reader.resume()
    await until('it has come', () => seen.length === 1)
  })
})

describe('stop()', () => {
  it('lets another way of reading continue where the last one stopped', async () => {
    using rings = new Rings()
    using reader = rings.reader()
    rings.produce(100)
    const seen: number[] = []
    reader.on(({ number }) => {
      seen.push(Number(number))
      if (seen.length === 10) reader.stop()
    })
    await until('the first has read', () => seen.length === 10)
    await turns()
    expect(seen.length).toBe(10)
    for await (const { number } of reader) {
      seen.push(Number(number))
      if (seen.length === 20) break
    }
    for await (const records of reader.batches()) {
      seen.push(...numbers(records))
      if (seen.length === 100) break
    }
    rings.produce(5)
    reader.drain((view, offset) => seen.push(Number(view.getBigUint64(offset, true))))
    await until('the last has read', () => seen.length === 105)
    expect(seen).toEqual(upTo(105))
  })

  it('ends an iteration that waits', async () => {
    using rings = new Rings()
    using reader = rings.reader()
    const waiting = reader[Symbol.asyncIterator]().next()
    await turns(1)
    reader.stop()
    expect(await waiting).toEqual({ done: true, value: undefined })
  })

  it('is required between two ways of reading', () => {
    using rings = new Rings()
    using reader = rings.reader()
    reader.on(() => {})
    expect(thrownBy(() => reader.on(() => {}))).toMatchObject({
      code: 'ERR_BPF_STATE',
      message: expect.stringContaining("ring buffer 'ring0' is being read already"),
    })
    expect(() => reader[Symbol.asyncIterator]()).toThrow('is being read already')
    expect(() => reader.batches()).toThrow('is being read already')
    reader.stop()
    reader.drain(() => {})
  })
})

describe('a map that has a reader', () => {
  it('is refused to another reader until the first is closed', () => {
    using rings = new Rings()
    const reader = rings.reader()
    expect(thrownBy(() => rings.reader())).toMatchObject({
      code: 'EBUSY',
      map: 'ring0',
      message:
        "read ring buffer 'ring0': map 'ring0' already has a reader in this process, maybe in another Worker; close that reader first (EBUSY)",
    })
    reader.close()
    rings.produce(1)
    using other = rings.reader()
    const seen: bigint[] = []
    other.on(({ number }) => seen.push(number))
    expect(other.consume()).toBe(1)
    expect(seen).toEqual([0n])
  })

  it('cannot be added again, and the reader goes on', () => {
    using rings = new Rings({ rings: 2 })
    using reader = rings.reader()
    expect(thrownBy(() => reader.add(rings.maps[1]!))).toMatchObject({ code: 'EBUSY' })
    for (const ring of [0, 1]) rings.produce(1, { ring })
    const seen: number[] = []
    reader.on(({ ring }) => seen.push(ring))
    expect(reader.consume()).toBe(2)
    expect(seen).toEqual([0, 1])
  })

  it('can be read by another reader once it is removed', () => {
    using rings = new Rings({ rings: 2 })
    using reader = rings.reader()
    reader.remove(rings.maps[0]!)
    using other = rings.reader({}, 1)
    expect(other.size).toBe(reader.size)
  })
})
