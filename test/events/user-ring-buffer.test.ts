import { setImmediate as turn } from 'node:timers/promises'
import { type BpfObject, UserRingBuffer } from 'libbpf-node'
import { describe, expect } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'

interface Command {
  kind: number
  value: bigint
  name: string
}

const test = (name: string, body: () => void | Promise<void>): void => requiresKernel('6.1', name, body)
const number = (value: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)
/** Has the program take what is there. Returns how many samples that was. */
const drain = (object: BpfObject): number => object.program('drain').testRunSync().retval
/** How many samples of 8 bytes, with their headers, a ring of 4096 bytes has room for. */
const fits = 256

describe('a user ring buffer', () => {
  test('brings bytes to a program', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    for (const value of [1, 20, 300]) expect(ring.submit(number(value))).toBe(true)
    expect(drain(object)).toBe(3)
    expect(object.bss.sum).toBe(321n)
    expect(object.bss.samples).toBe(3n)
    expect(drain(object)).toBe(0)
  })

  test('brings values of a type to a program', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer<Command>('commands', 'command')
    const command = { kind: 7, value: 2n ** 63n + 1n, name: 'reload' }
    ring.submit(command)
    expect(drain(object)).toBe(1)
    expect(object.bss.last).toEqual(command)
    expect(() => ring.submit({ ...command, kind: -1 })).toThrow('command.kind')
    expect(drain(object)).toBe(0)
  })

  test('takes a part of an array, and samples of any size', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    ring.submit(Uint8Array.of(99, 5, 0, 0, 0, 0, 0, 0, 0, 99).subarray(1, 9))
    expect(drain(object)).toBe(1)
    expect(object.bss.sum).toBe(5n)
    for (const size of [0, 1, 7, 9, 4088]) {
      expect(ring.submit(new Uint8Array(size).fill(1))).toBe(true)
      expect(drain(object)).toBe(1)
    }
    // Those of less than 8 bytes have no number.
    expect(object.bss.sum).toBe(5n + 2n * 0x0101010101010101n)
  })

  test('that is full says so, and has room again when the program has drained it', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    let sent = 0
    while (ring.submit(number(1))) sent++
    expect(sent).toBe(fits)
    expect(ring.submit(number(1))).toBe(false)
    object.data.limit = 10
    expect(drain(object)).toBe(10)
    for (let i = 0; i < 10; i++) expect(ring.submit(number(1))).toBe(true)
    expect(ring.submit(number(1))).toBe(false)
    object.data.limit = 1 << 20
    expect(drain(object)).toBe(fits)
    expect(object.bss.sum).toBe(BigInt(fits + 10))
  })

  test('goes round many times', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    let expected = 0
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < 51; i++) {
        expect(ring.submit(number(i))).toBe(true)
        expected += i
      }
      expect(drain(object)).toBe(51)
    }
    expect(object.bss.sum).toBe(BigInt(expected))
  })

  test('does not take what is longer than it is', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    expect(thrownBy(() => ring.submit(new Uint8Array(4089)))).toMatchObject({
      code: 'E2BIG',
      operation: 'user_ring_buffer__reserve',
      map: 'commands',
      message: expect.stringContaining("user ring buffer 'commands': submit"),
    })
    expect(ring.submit(number(1))).toBe(true)
  })

  test('takes bytes only when it has no type', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    for (const wrong of ['text', 1, null, [1, 2], new Uint16Array(1), undefined]) {
      expect(thrownBy(() => ring.submit(wrong as never))).toMatchObject({
        name: 'TypeError',
        message: 'sample is not a Uint8Array',
      })
    }
  })

  test('is of a map of its type, after load', () => {
    using object = load('events-user')
    expect(thrownBy(() => new UserRingBuffer(object.map('not_a_ring')))).toMatchObject({ code: 'EINVAL' })
    using early = open('events-user')
    expect(() => new UserRingBuffer(early.map('commands'))).toThrow('load the object first')
    expect(() => early.userRingBuffer('commands')).toThrow('it is not loaded yet')
  })

  test('is closed once, however often that is said, and takes nothing after that', async () => {
    using object = load('events-user')
    const ring = object.userRingBuffer('commands')
    ring.submit(number(4))
    ring.close()
    ring.close()
    expect(thrownBy(() => ring.submit(number(1)))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    await expect(ring.submitWhenRoom(number(1))).rejects.toMatchObject({ code: 'ERR_BPF_CLOSED' })
    // What was submitted stays for the program.
    expect(drain(object)).toBe(1)
    expect(object.bss.sum).toBe(4n)
  })

  test('works on when its object is closed', () => {
    const object = load('events-user')
    using ring = object.userRingBuffer('commands')
    object.close()
    expect(ring.submit(number(1))).toBe(true)
  })
})

describe('submitWhenRoom', () => {
  function full(object: BpfObject): UserRingBuffer {
    const ring = object.userRingBuffer('commands')
    while (ring.submit(number(1)));
    return ring
  }

  test('submits at once where there is room', async () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    await ring.submitWhenRoom(number(3))
    expect(drain(object)).toBe(1)
    expect(object.bss.sum).toBe(3n)
  })

  test('waits for room, and the event loop goes on meanwhile', async () => {
    using object = load('events-user')
    using ring = full(object)
    let done = false
    const waiting = ring.submitWhenRoom(number(1000)).then(() => {
      done = true
    })
    let ticks = 0
    while (ticks < 20) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      ticks++
    }
    expect(done).toBe(false)
    expect(drain(object)).toBe(fits)
    await waiting
    expect(drain(object)).toBe(1)
    expect(object.bss.sum).toBe(BigInt(fits + 1000))
  })

  test('has the sample as it was, whatever the caller does with the bytes meanwhile', async () => {
    using object = load('events-user')
    using ring = full(object)
    const bytes = number(1000)
    const waiting = ring.submitWhenRoom(bytes)
    bytes.fill(0)
    drain(object)
    await waiting
    drain(object)
    expect(object.bss.sum).toBe(BigInt(fits + 1000))
  })

  test('gives up when it is told to, with the reason', async () => {
    using object = load('events-user')
    using ring = full(object)
    const controller = new AbortController()
    const waiting = ring.submitWhenRoom(number(1000), { signal: controller.signal })
    const reason = new Error('enough')
    await turn()
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    expect(drain(object)).toBe(fits)
    await expect(ring.submitWhenRoom(number(1), { signal: controller.signal })).rejects.toBe(reason)
    expect(drain(object)).toBe(0)
  })

  test('gives up when the ring is closed', async () => {
    using object = load('events-user')
    const ring = full(object)
    const waiting = ring.submitWhenRoom(number(1000))
    await turn()
    ring.close()
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })
})
