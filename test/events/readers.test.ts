import { setImmediate as turn } from 'node:timers/promises'
import type { RingBuffer } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { emit, loadRing, numberOf, range } from '../helpers/producer.js'
import { until } from '../helpers/until.js'

/** Reads some records and returns their numbers. */
async function take(ring: RingBuffer, count: number): Promise<number[]> {
  const numbers: number[] = []
  for await (const record of ring) {
    numbers.push(numberOf(record))
    if (numbers.length === count) break
  }
  return numbers
}

describe('for await', () => {
  it('leaves records in the kernel until you ask for them', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events', undefined, { batchSize: 10 })
    emit(object, 1000)
    expect(await take(ring, 1)).toEqual([0])
    await turn()
    // One batch was taken from the kernel.
    expect(ring.availableBytes).toBe(990 * 16)
    emit(object, 10)
    expect(ring.availableBytes).toBe(1000 * 16)
    expect(await take(ring, 1009)).toEqual(range(1, 1010))
  })

  it('loses nothing that fits into the ring while its body is slow', async () => {
    using object = loadRing(4096)
    using ring = object.ringBuffer('events', undefined, { batchSize: 16 })
    const sent = emit(object, 50)
    const seen: number[] = []
    for await (const record of ring) {
      seen.push(numberOf(record))
      await turn()
      if (sent.length < 5000) sent.push(...emit(object, 2))
      if (seen.length === sent.length) break
    }
    expect(seen).toEqual(sent)
  })

  it('continues after a break in the middle of a batch', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events', undefined, { batchSize: 10 })
    const sent = emit(object, 100)
    const seen: number[] = []
    for (const count of [3, 1, 9, 10, 7, 20, 50]) seen.push(...(await take(ring, count)))
    expect(seen).toEqual(sent)
  })

  it('waits for records that are written later', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    const reading = take(ring, 3)
    for (let i = 0; i < 3; i++) {
      await turn()
      emit(object, 1)
    }
    expect(await reading).toEqual([0, 1, 2])
  })

  it('answers calls of next() in their order', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    const reader = ring[Symbol.asyncIterator]()
    const asked = range(0, 5).map(() => reader.next())
    emit(object, 5)
    const results = await Promise.all(asked)
    expect(results.map(({ value }) => numberOf(value!))).toEqual([0, 1, 2, 3, 4])
    await reader.return!()
    expect(await reader.next()).toEqual({ done: true, value: undefined })
  })

  it.each([
    ['close', (ring: RingBuffer) => ring.close()],
    ['stop', (ring: RingBuffer) => ring.stop()],
  ])('ends when %s() is called while it waits', async (_, end) => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    const seen: number[] = []
    const reading = (async () => {
      for await (const record of ring) seen.push(numberOf(record))
    })()
    emit(object, 2)
    await until('both have come', () => seen.length === 2)
    end(ring)
    await reading
    expect(seen).toEqual([0, 1])
  })

  it('ends when its body closes the ring', async () => {
    using object = loadRing()
    const ring = object.ringBuffer('events')
    emit(object, 5)
    const seen: number[] = []
    for await (const record of ring) {
      seen.push(numberOf(record))
      if (seen.length === 2) ring.close()
    }
    expect(seen).toEqual([0, 1])
  })
})

describe('one reader after another', () => {
  it('continue where the one before has stopped: on, for await, drain', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events', undefined, { batchSize: 10 })
    const sent = emit(object, 100)
    const seen: number[] = []
    ring.on((record) => {
      seen.push(numberOf(record))
      if (seen.length === 15) ring.stop()
    })
    await until('15 have come', () => seen.length >= 15)
    expect(seen).toEqual(sent.slice(0, 15))
    seen.push(...(await take(ring, 12)))
    expect(seen).toEqual(sent.slice(0, 27))
    ring.drain((view, offset) => {
      seen.push(Number(view.getBigUint64(offset, true)))
      if (seen.length === 29) ring.stop()
    })
    await until('2 more have come', () => seen.length >= 29)
    expect(seen).toEqual(sent.slice(0, 29))
    ring.on((record) => seen.push(numberOf(record)))
    await until('all have come', () => seen.length >= 100)
    expect(seen).toEqual(sent)
  })

  it('can be started by the callback of the first', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    const sent = emit(object, 20)
    const first: number[] = []
    const second: number[] = []
    ring.on((record) => {
      first.push(numberOf(record))
      if (first.length < 5) return
      ring.stop()
      ring.on((record) => second.push(numberOf(record)))
    })
    await until('all have come', () => first.length + second.length >= 20)
    expect(first).toEqual(sent.slice(0, 5))
    expect(second).toEqual(sent.slice(5))
  })

  it('is not called any more after stop()', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    let calls = 0
    ring.on(() => calls++)
    emit(object, 3)
    ring.consume()
    ring.stop()
    emit(object, 3)
    await turn()
    await turn()
    expect(calls).toBe(3)
    expect(ring.availableBytes).toBe(48)
    expect(() => ring.consume()).toThrow('has no callback')
  })
})

describe('a callback that writes more records', () => {
  it('receives them in a later turn', async () => {
    using object = loadRing()
    using ring = object.ringBuffer('events')
    const seen: number[] = []
    ring.on((record) => {
      seen.push(numberOf(record))
      if (seen.length < 100) emit(object, 1)
    })
    emit(object, 1)
    await until('all have come', () => seen.length === 100)
    expect(seen).toEqual(range(0, 100))
  })
})

describe('a full ring', () => {
  const readers: [string, (ring: RingBuffer, count: () => void) => unknown][] = [
    ['on', (ring, count) => ring.on(count)],
    ['drain', (ring, count) => ring.drain(count)],
    [
      'for await',
      async (ring, count) => {
        for await (const _ of ring) count()
      },
    ],
    [
      'batches',
      async (ring, count) => {
        for await (const batch of ring.batches()) for (const _ of batch) count()
      },
    ],
  ]

  it.each(readers)('does not keep timers and immediates from running: %s', async (_, read) => {
    using object = loadRing(16 << 20)
    using ring = object.ringBuffer('events', undefined, { batchSize: 512, turnTime: 1 })
    const sent = emit(object, 300_000).length
    let seen = 0
    let ticks = 0
    let turns = 0
    const meanwhile = (): boolean => seen > 0 && seen < sent
    const timer = setInterval(() => {
      if (meanwhile()) ticks++
    }, 1)
    setImmediate(function count() {
      if (meanwhile()) turns++
      if (!ring.closed) setImmediate(count)
    })
    const reading = read(ring, () => seen++)
    await until('all have come', () => seen >= sent, { seconds: 20 })
    clearInterval(timer)
    ring.close()
    await reading
    expect(seen).toBe(sent)
    expect(turns).toBeGreaterThan(5)
    expect(ticks).toBeGreaterThan(0)
  })

  it('that fills again and again loses nothing that fits', async () => {
    using object = loadRing(1 << 20)
    using ring = object.ringBuffer('events')
    object.data.size = 8
    let seen = 0
    let next = 0
    let inOrder = true
    ring.drain((view, offset) => {
      const number = Number(view.getBigUint64(offset, true))
      inOrder &&= number === next
      next = number + 1
      seen++
    })
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    const data = new Uint8Array(64)
    for (let i = 0; i < 10; i++) await object.program('emit').testRun({ data, repeat: 40_000 })
    const ticksMeanwhile = ticks
    await until('all have come', () => seen === Number(object.bss.emitted))
    clearInterval(timer)
    expect(inOrder).toBe(true)
    expect(Number(object.bss.emitted) + Number(object.bss.lost)).toBe(400_000)
    expect(seen).toBeGreaterThan(65_536)
    expect(ticksMeanwhile).toBeGreaterThan(0)
  })
})
