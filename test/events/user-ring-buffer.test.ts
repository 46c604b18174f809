import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type BpfObject, UserRingBuffer } from 'libbpf-node'
import { describe, expect } from 'vitest'
import { runChild } from '../helpers/child.js'
import { requiresKernel } from '../helpers/kernel.js'
import { load, objectPath, open, thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { BPF_RB_NO_WAKEUP, turns, upTo } from './rings.js'

interface Command {
  kind: number
  value: bigint
  name: string
}

const test = (name: string, body: () => void | Promise<void>): void => requiresKernel('6.1', name, body)
const number = (value: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)
/** Has the program read all samples. Returns how many there were. */
const drain = (object: BpfObject): number => object.program('drain').testRunSync().retval
/** How many samples of 8 bytes, with their headers, fit into a ring of 4096 bytes. */
const fits = 256

describe('a user ring buffer', () => {
  test('sends bytes to a program', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    for (const value of [1, 20, 300]) expect(ring.submit(number(value))).toBe(true)
    expect(drain(object)).toBe(3)
    expect(object.bss.sum).toBe(321n)
    expect(object.bss.samples).toBe(3n)
    expect(drain(object)).toBe(0)
  })

  test('sends values of a type to a program', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer<Command>('commands', 'user_command')
    const command = { kind: 7, value: 2n ** 63n + 1n, name: 'reload' }
    ring.submit(command)
    expect(drain(object)).toBe(1)
    expect(object.bss.last).toEqual(command)
    expect(() => ring.submit({ ...command, kind: -1 })).toThrow('user_command.kind')
    expect(drain(object)).toBe(0)
  })

  test('accepts part of an array, and samples of any size', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    ring.submit(Uint8Array.of(99, 5, 0, 0, 0, 0, 0, 0, 0, 99).subarray(1, 9))
    expect(drain(object)).toBe(1)
    expect(object.bss.sum).toBe(5n)
    for (const size of [0, 1, 7, 9, 4088]) {
      expect(ring.submit(new Uint8Array(size).fill(1))).toBe(true)
      expect(drain(object)).toBe(1)
    }
    // Samples of less than 8 bytes have no number.
    expect(object.bss.sum).toBe(5n + 2n * 0x0101010101010101n)
  })

  test('returns false while it is full, and has room again after the program has read', () => {
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

  test('wraps around many times', () => {
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

  test('refuses samples that are longer than the ring', () => {
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

  test('accepts only bytes if it has no type', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    for (const wrong of ['text', 1, null, [1, 2], new Uint16Array(1), undefined]) {
      expect(thrownBy(() => ring.submit(wrong as never))).toMatchObject({
        name: 'TypeError',
        message: 'sample is not a Uint8Array',
      })
    }
  })

  test('needs a map of type user_ringbuf, after load', () => {
    using object = load('events-user')
    expect(thrownBy(() => new UserRingBuffer(object.map('not_a_ring')))).toMatchObject({ code: 'EINVAL' })
    using early = open('events-user')
    expect(() => new UserRingBuffer(early.map('commands'))).toThrow('load the object first')
    expect(() => early.userRingBuffer('commands')).toThrow('it is not loaded yet')
  })

  test('can be closed twice, and refuses samples after that', async () => {
    using object = load('events-user')
    const ring = object.userRingBuffer('commands')
    ring.submit(number(4))
    ring.close()
    ring.close()
    expect(thrownBy(() => ring.submit(number(1)))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    await expect(ring.submitWhenRoom(number(1))).rejects.toMatchObject({ code: 'ERR_BPF_CLOSED' })
    // The program can still read what was submitted.
    expect(drain(object)).toBe(1)
    expect(object.bss.sum).toBe(4n)
  })

  test('goes on when its object is closed', () => {
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

  test('submits at once if there is room', async () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    await ring.submitWhenRoom(number(3))
    expect(drain(object)).toBe(1)
    expect(object.bss.sum).toBe(3n)
  })

  test('waits for room, and the event loop goes on in the meantime', async () => {
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

  test('keeps a copy of the bytes, which the caller may change', async () => {
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

  test('stops waiting when its signal is aborted, with its reason', async () => {
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

  test('stops waiting when the ring is closed', async () => {
    using object = load('events-user')
    const ring = full(object)
    const waiting = [1, 2, 3].map((value) => ring.submitWhenRoom(number(value)))
    await turn()
    ring.close()
    for (const one of waiting) await expect(one).rejects.toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  test('keeps the order of waiting samples, even if there is room for only some of them', async () => {
    using object = load('events-user')
    using ring = full(object)
    const done: number[] = []
    const waiting = upTo(30).map((i) =>
      ring.submitWhenRoom(number(i)).then(() => {
        done.push(i)
      }),
    )
    object.data.limit = 7
    for (let round = 1; round <= 4; round++) {
      expect(drain(object)).toBe(7)
      await until('as many are in as there was room for', () => done.length === 7 * round)
    }
    object.data.limit = 1 << 20
    drain(object)
    await Promise.all(waiting)
    expect(done).toEqual(upTo(30))
  })

  test('is not overtaken by submit()', async () => {
    using object = load('events-user')
    using ring = full(object)
    const waiting = ring.submitWhenRoom(new Uint8Array(1000))
    object.data.limit = 1
    drain(object)
    // This sample would fit, but the one before it does not.
    expect(ring.submit(number(1))).toBe(false)
    object.data.limit = 1 << 20
    drain(object)
    await waiting
    expect(ring.submit(number(1))).toBe(true)
    expect(drain(object)).toBe(2)
  })

  test('does not wait busily when there is some room, but not enough', async () => {
    using object = load('events-user')
    using ring = full(object)
    let done = false
    const waiting = ring.submitWhenRoom(new Uint8Array(1000)).then(() => {
      done = true
    })
    object.data.limit = 1
    drain(object)
    const before = process.cpuUsage()
    await new Promise((resolve) => setTimeout(resolve, 500))
    const { user, system } = process.cpuUsage(before)
    expect(user + system).toBeLessThan(250_000)
    expect(done).toBe(false)
    object.data.limit = 1 << 20
    drain(object)
    await waiting
  })

  test('finds room although the program does not wake the producer', async () => {
    using object = load('events-user')
    using ring = full(object)
    object.bss.flags = BPF_RB_NO_WAKEUP
    const waiting = ring.submitWhenRoom(number(1000))
    await turns(3)
    expect(drain(object)).toBe(fits)
    await waiting
    expect(drain(object)).toBe(1)
  })

  test('continues with the next sample when the first stops waiting', async () => {
    using object = load('events-user')
    using ring = full(object)
    const controller = new AbortController()
    const large = ring.submitWhenRoom(new Uint8Array(4000), { signal: controller.signal })
    const small = ring.submitWhenRoom(number(1))
    object.data.limit = 1
    drain(object)
    await turns(3)
    controller.abort()
    await expect(large).rejects.toMatchObject({ name: 'AbortError' })
    await small
  })

  test('does not keep a waiting Worker from being terminated', async () => {
    using object = load('events-user')
    const worker = new Worker(
      `import('libbpf-node').then(({ BpfMap, UserRingBuffer }) => {
        const { workerData, parentPort } = require('node:worker_threads')
        const ring = new UserRingBuffer(BpfMap.fromId(workerData))
        globalThis.held = ring.reserve(16)
        while (ring.submit(new Uint8Array(8)));
        ring.submitWhenRoom(new Uint8Array(8))
        parentPort.postMessage('waits')
      })`,
      { eval: true, workerData: object.map('commands').id, execArgv: [] },
    )
    await once(worker, 'message')
    expect(drain(object)).toBe(0)
    expect(await worker.terminate()).toBe(1)
    // Its reservations were discarded.
    expect(drain(object)).toBeGreaterThan(0)
  })

  test('keeps the process alive until the ring is closed', async () => {
    const { status, stdout, stderr } = await runChild(
      `
      import { BpfObject } from 'libbpf-node'
      const object = BpfObject.open(process.argv[1])
      object.loadSync()
      const ring = object.userRingBuffer('commands')
      while (ring.submit(new Uint8Array(8)));
      ring.submitWhenRoom(new Uint8Array(8)).catch(({ code }) => console.log(code))
      setTimeout(() => {
        console.log('still here')
        ring.close()
      }, 100).unref()
      `,
      [objectPath('events-user')],
    )
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: 'still here\nERR_BPF_CLOSED\n',
      stderr: '',
    })
  })
})

describe('a reservation', () => {
  test('is filled and then submitted', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    const reserved = ring.reserve(8)!
    expect(reserved.bytes).toEqual(new Uint8Array(8))
    reserved.bytes.set(number(300))
    // The program cannot read past it.
    expect(drain(object)).toBe(0)
    reserved.submit()
    expect(drain(object)).toBe(1)
    expect(object.bss.sum).toBe(300n)
    ring.reserve(8)!.write(number(20)).submit()
    expect(drain(object)).toBe(1)
    expect(object.bss.sum).toBe(320n)
  })

  test('has the size of the type and accepts its values', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer<Command>('commands', 'user_command')
    const command = { kind: 7, value: 2n ** 63n + 1n, name: 'reload' }
    const reserved = ring.reserve()!
    expect(reserved.bytes.length).toBe(32)
    expect(() => reserved.write({ ...command, kind: -1 })).toThrow('user_command.kind')
    reserved.write(command).submit()
    expect(drain(object)).toBe(1)
    expect(object.bss.last).toEqual(command)
    const short = ring.reserve(8)!
    expect(thrownBy(() => short.write(command))).toMatchObject({
      name: 'RangeError',
      message: 'value has 32 bytes, but only 8 were reserved',
    })
    short.discard()
  })

  test('sets the rest to zero if the value is shorter', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    const reserved = ring.reserve(16)!
    reserved.bytes.fill(9)
    reserved.write(number(5))
    expect([...reserved.bytes]).toEqual([5, ...Array(15).fill(0)])
    reserved.discard()
  })

  test('is not seen by the program if it is discarded', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    ring.reserve(8)!.discard()
    ring.submit(number(3))
    expect(drain(object)).toBe(1)
    expect(object.bss.sum).toBe(3n)
    {
      using _ = ring.reserve(8)!
      ring.submit(number(4))
    }
    {
      using reserved = ring.reserve(8)!
      reserved.write(number(5)).submit()
    }
    expect(drain(object)).toBe(2)
    expect(object.bss.sum).toBe(12n)
  })

  test('holds up later samples, and all arrive in the order of their reservation', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    const [one, two] = [ring.reserve(8)!, ring.reserve(8)!]
    two.write(number(2)).submit()
    ring.submit(number(4))
    expect(drain(object)).toBe(0)
    one.write(number(1)).submit()
    object.data.limit = 1
    const sums = [1n, 3n, 7n]
    for (const sum of sums) {
      drain(object)
      expect(object.bss.sum).toBe(sum)
    }
  })

  test('is undefined if the ring is full', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    const reserved = upTo(fits).map(() => ring.reserve(8)!)
    expect(ring.reserve(8)).toBeUndefined()
    expect(ring.reserve(0)).toBeUndefined()
    expect(ring.submit(number(1))).toBe(false)
    for (const one of reserved) one.submit()
    expect(drain(object)).toBe(fits)
    ring.reserve(4088)!.submit()
    expect(drain(object)).toBe(1)
  })

  test('can be submitted or discarded only once', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    const again = (verb: string) => ({
      code: 'ERR_BPF_STATE',
      message: `user ring buffer 'commands': ${verb} a reservation: it was submitted or discarded before`,
    })
    const submitted = ring.reserve(8)!
    submitted.submit()
    expect(thrownBy(() => submitted.submit())).toMatchObject(again('submit'))
    expect(thrownBy(() => submitted.discard())).toMatchObject(again('discard'))
    const discarded = ring.reserve(8)!
    discarded.discard()
    expect(thrownBy(() => discarded.submit())).toMatchObject(again('submit'))
    discarded[Symbol.dispose]()
    expect(drain(object)).toBe(1)
  })

  test('checks its size', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    for (const size of [-1, 1.5, Number.NaN, 2 ** 32, '8', undefined, null]) {
      expect(thrownBy(() => ring.reserve(size as never))).toMatchObject({
        name: expect.stringMatching(/^(Type|Range)Error$/),
        message: expect.stringMatching(/^size is not/),
      })
    }
    expect(thrownBy(() => ring.reserve(4089))).toMatchObject({ code: 'E2BIG', map: 'commands' })
    expect(ring.submit(number(1))).toBe(true)
    expect(drain(object)).toBe(1)
  })

  test('is discarded when the ring is closed', () => {
    using object = load('events-user')
    const ring = object.userRingBuffer('commands')
    const reserved = ring.reserve(8)!
    ring.submit(number(4))
    ring.close()
    expect(drain(object)).toBe(1)
    expect(object.bss.sum).toBe(4n)
    expect(thrownBy(() => reserved.submit())).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(thrownBy(() => reserved.discard())).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    reserved[Symbol.dispose]()
  })

  test('cannot be submitted after its bytes were transferred, but can be discarded', () => {
    using object = load('events-user')
    using ring = object.userRingBuffer('commands')
    const reserved = ring.reserve(8)!
    structuredClone(reserved.bytes, { transfer: [reserved.bytes.buffer as ArrayBuffer] })
    expect(thrownBy(() => reserved.submit())).toMatchObject({ name: 'RangeError' })
    reserved.discard()
    ring.submit(number(1))
    expect(drain(object)).toBe(1)
  })
})
