// Who has which frame: whatever JavaScript does, no frame is lost, and none is used twice.
import { XdpMemory, XdpSocket } from 'libbpf-node/xdp'
import { describe, expect, it } from 'vitest'
import { thrownBy } from '../helpers/objects.js'
import { randomOf } from '../helpers/random.js'
import { until } from '../helpers/until.js'
import { experimental, numberOf, packet, usePair } from './pair.js'

const pair = usePair()
const filter = { etherType: experimental }
const state = { code: 'ERR_BPF_STATE' }

describe('XdpMemory', () => {
  it('gives out each frame once, and takes it back once', () => {
    const memory = new XdpMemory({ frames: 64 })
    const taken = Array.from({ length: 64 }, () => memory.take()!)
    expect(new Set(taken).size).toBe(64)
    expect(memory.take()).toBeUndefined()
    expect(memory.counts).toEqual({ free: 0, receiving: 0, inBatch: 0, held: 64, sending: 0 })
    memory.release(taken[5]! + 100)
    expect(thrownBy(() => memory.release(taken[5]!))).toMatchObject(state)
    expect(memory.take()).toBe(taken[5])
    for (const wrong of [-1, 1.5, 2 ** 32, Number.NaN, 'x', undefined])
      expect(() => memory.release(wrong as number)).toThrow(/release a frame: offset is/)
    expect(thrownBy(() => memory.release(64 * 2048))).toMatchObject(state)
  })
})

describe('a frame', () => {
  it('that was not kept, or was sent or released before, cannot be sent or released', async () => {
    using from = await XdpSocket.open(pair.a, { redirect: false })
    using to = await XdpSocket.open(pair.b, { filter })
    const kept: number[] = []
    const dropped: number[] = []
    to.drain((batch) => {
      for (let i = 0; i < batch.length; i++) {
        if (numberOf(batch.frame(i)) % 2 === 0) kept.push(batch.keep(i))
        else dropped.push(batch.offsets[i]!)
      }
    })
    for (let i = 0; i < 10; i++) from.send(packet(i))
    await until('all are there', () => kept.length === 5 && dropped.length === 5)
    expect(to.memory.counts).toMatchObject({ held: 5, inBatch: 0 })
    for (const offset of dropped) {
      expect(thrownBy(() => to.release(offset))).toMatchObject(state)
      expect(thrownBy(() => to.sendFrame(offset, 64))).toMatchObject(state)
    }
    const [one, two, ...others] = kept
    expect(to.sendFrame(one!, 64)).toBe(true)
    expect(thrownBy(() => to.sendFrame(one!, 64))).toMatchObject(state)
    expect(thrownBy(() => to.release(one!))).toMatchObject(state)
    to.release(two!)
    expect(thrownBy(() => to.release(two!))).toMatchObject(state)
    expect(thrownBy(() => to.sendFrame(two!, 64))).toMatchObject(state)
    for (const [offset, length] of [
      [others[0]!, 2048],
      [others[0]!, 0],
      [others[0]!, -1],
      [2 ** 31, 64],
      [2 ** 33, 64],
      [Number.NaN, 1],
    ] as const)
      expect(() => to.sendFrame(offset, length)).toThrow(/send: (offset|length) is/)
    to.flush()
    await until('it is sent', () => to.memory.counts.sending === 0)
    expect(to.memory.counts.held).toBe(3)
    for (const offset of others) to.release(offset)
    expect(to.memory.counts.held).toBe(0)
    expect(to.stats.txInvalid).toBe(0n)
  })

  it('that was kept can be released in a microtask of the callback', async () => {
    using from = await XdpSocket.open(pair.a, { redirect: false })
    using to = await XdpSocket.open(pair.b, { filter })
    const released: number[] = []
    const inside: number[] = []
    to.drain((batch) => {
      const offset = batch.keep(0)
      queueMicrotask(() => {
        to.release(offset)
        released.push(offset)
        // The rest of the batch was dropped, and is not looked at again.
        to.consume((next) => inside.push(next.length))
      })
    })
    for (let i = 0; i < 5; i++) {
      from.send(packet(i))
      from.flush()
      await until('it was released', () => released.length > i)
    }
    expect(to.memory.counts).toMatchObject({ held: 0, inBatch: 0 })
    expect(inside).toEqual([])
  })

  it('is dropped if its description in the batch was made nonsense', async () => {
    using from = await XdpSocket.open(pair.a, { redirect: false })
    using to = await XdpSocket.open(pair.b, { filter })
    const nonsense = [
      [0xffff_ffff, 64],
      [0, 0xffff_ffff],
      [4096 * 2048, 64],
      [1, 0],
    ] as const
    let seen = 0
    to.drain((batch) => {
      for (let i = 0; i < batch.length; i++) {
        const [offset, length] = nonsense[seen++ % nonsense.length]!
        expect(() => batch.send(i, length, offset)).toThrow(RangeError)
        batch.send(i)
        batch.offsets[i] = offset
        batch.lengths[i] = length
      }
    })
    for (let i = 0; i < 200; i++) from.send(packet(i))
    await until('all are there', () => seen === 200)
    expect(to.stats).toMatchObject({ txInvalid: 0n, txRingFull: 200n })
    expect(to.memory.counts).toMatchObject({ held: 0, inBatch: 0, sending: 0 })
  })

  it('is where it should be after any sequence of operations', async () => {
    const seed = Number(process.env.LIBBPF_NODE_SEED ?? 1)
    const random = randomOf(seed)
    using from = await XdpSocket.open(pair.a, { redirect: false })
    using to = await XdpSocket.open(pair.b, { filter, frames: 128, fillSize: 64, rxSize: 64, txSize: 64 })
    const held = new Set<number>()
    let seen = 0
    const read = (batch: Parameters<Parameters<typeof to.drain>[0]>[0]): void => {
      for (let i = 0; i < batch.length; i++) {
        seen++
        const choice = random.below(4)
        if (choice === 0) batch.send(i)
        if (choice === 1 && held.size < 40) held.add(batch.keep(i))
        if (choice === 2) {
          batch.keep(i)
          batch.drop(i)
        }
      }
      if (random.below(10) === 0) throw new Error('thrown')
    }
    for (let round = 0; round < 3000; round++) {
      for (let i = random.below(20); i > 0; i--) from.send(packet(i))
      from.flush()
      try {
        to.consume(read)
      } catch (error) {
        expect((error as Error).message).toBe('thrown')
      }
      const offset = [...held][random.below(held.size + 1)]
      if (offset !== undefined) {
        if (random.below(2) === 0) to.release(offset)
        else if (!to.sendFrame(offset, 1 + random.below(500))) continue
        held.delete(offset)
      }
      const taken = random.below(8) === 0 ? to.memory.take() : undefined
      if (taken !== undefined) {
        expect(held.has(taken), `seed ${seed}`).toBe(false)
        held.add(taken)
      }
      if (round % 50 !== 0) continue
      const { free, receiving, inBatch, held: counted, sending } = to.memory.counts
      expect({ all: free + receiving + sending, counted, inBatch }, `seed ${seed}`).toEqual({
        all: 128 - held.size,
        counted: held.size,
        inBatch: 0,
      })
    }
    expect(seen).toBeGreaterThan(1000)
    to.flush()
    await until('all are sent', () => to.memory.counts.sending === 0)
    expect(to.stats).toMatchObject({ rxInvalid: 0n, txInvalid: 0n })
    to.close()
    expect(to.memory.counts).toMatchObject({ held: held.size, free: 128 - held.size })
  })
})
