import type { PerfBuffer } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { load, objectPath } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { onlineCpus, runOn } from './cpus.js'
import { BPF_RB_NO_WAKEUP, Rings, turns, upTo } from './rings.js'

describe('a program that submits with BPF_RB_NO_WAKEUP', () => {
  const flags = BPF_RB_NO_WAKEUP

  it('is read by a callback with an interval', async () => {
    using rings = new Rings({ rings: 2 })
    using reader = rings.reader({ interval: 2, batchSize: 10 })
    const seen: number[] = []
    reader.on(({ number }) => seen.push(Number(number)))
    for (const first of [0, 50]) {
      rings.produce(25, { flags, ring: 0 })
      rings.produce(25, { flags, ring: 1 })
      await until('they have come', () => seen.length === first + 50)
    }
    expect(seen.sort((a, b) => a - b)).toEqual(upTo(100))
  })

  it('is read by an iteration with an interval', async () => {
    using rings = new Rings()
    using reader = rings.reader({ interval: 1 })
    const iterator = reader[Symbol.asyncIterator]()
    const waiting = iterator.next()
    await turns(2)
    rings.produce(1, { flags })
    expect((await waiting).value?.number).toBe(0n)
    await iterator.return!()
  })

  it('is not noticed without an interval, except by consume()', async () => {
    using rings = new Rings()
    using reader = rings.reader()
    const seen: bigint[] = []
    reader.on(({ number }) => seen.push(number))
    await turns()
    rings.produce(3, { flags })
    await turns()
    expect(seen).toEqual([])
    expect(reader.consume()).toBe(3)
    expect(seen).toEqual([0n, 1n, 2n])
  })
})

describe('a program that wakes the reader when 1024 bytes wait (LIBBPF_NODE_WAKE_BYTES)', () => {
  /** Each record takes 32 bytes, including its header. */
  const atMark = 32

  it.each(['reserve', 'output'])('is read at that point, long before the interval: %s', async (program) => {
    using object = load('events-wake')
    using ring = object.ringBuffer('events', undefined, { interval: 3_600_000, wakeable: true })
    let seen = 0
    ring.drain(() => seen++)
    // The reader looks once when it starts.
    await turns(2)
    for (let round = 0; round < 3; round++) {
      runOn(onlineCpus[0]!, object, program, atMark - 1)
      await turns()
      expect(seen).toBe(round * atMark)
      runOn(onlineCpus[0]!, object, program, 1)
      await until('they have come', () => seen === (round + 1) * atMark)
    }
    // The program wakes the reader once. Nothing reads in between, so later records do not wake it again.
    runOn(onlineCpus[0]!, object, program, 2 * atMark)
    await until('those are there, too', () => seen === 5 * atMark)
    expect(ring.lost).toBe(0n)
  })

  it('does not wake a reader that is not wakeable or is stopped', async () => {
    using object = load('events-wake')
    using ring = object.ringBuffer('events', undefined, { interval: 3_600_000 })
    let seen = 0
    ring.drain(() => seen++)
    await turns(2)
    runOn(onlineCpus[0]!, object, 'reserve', 2 * atMark)
    await turns()
    expect(seen).toBe(0)
    ring.close()
    using wakeable = object.ringBuffer('events', undefined, { interval: 3_600_000, wakeable: true })
    wakeable.drain(() => seen++)
    await until('what was there is read', () => seen === 2 * atMark)
    wakeable.stop()
    runOn(onlineCpus[0]!, object, 'reserve', 2 * atMark)
    await turns()
    expect(seen).toBe(2 * atMark)
    // A reader looks once when it starts.
    wakeable.drain(() => seen++)
    await until('the rest is read', () => seen === 4 * atMark)
  })

  it('is read after the interval if less is waiting', async () => {
    using object = load('events-wake')
    using ring = object.ringBuffer('events', undefined, { interval: 2, wakeable: true })
    let seen = 0
    ring.drain(() => seen++)
    await turns(2)
    runOn(onlineCpus[0]!, object, 'output', 3)
    await until('they have come', () => seen === 3)
  })

  it('lets the process end after unref()', async () => {
    const { status, stdout, stderr } = await runChild(
      `
      import { BpfObject } from 'libbpf-node'
      const object = BpfObject.open(process.argv[1])
      object.loadSync()
      const ring = object.ringBuffer('events', undefined, { interval: 1000, wakeable: true })
      ring.unref().on(() => {})
      ring.pause()
      ring.resume()
      setImmediate(() => console.log('ends'))`,
      [objectPath('events-wake')],
    )
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'ends\n', stderr: '' })
  })

  it('needs a boolean for wakeable', () => {
    using object = load('events-wake')
    expect(() => object.ringBuffer('events', undefined, { wakeable: 1 as never })).toThrow(
      'wakeable is not a boolean',
    )
  })
})

describe('a perf buffer that is written to while it begins to wait', () => {
  /** Ways to read that call `got` for each record. */
  const ways: [string, (reader: PerfBuffer, got: () => void) => void][] = [
    ['on', (reader, got) => reader.on(got)],
    ['drain', (reader, got) => reader.drain(got)],
    [
      'for await',
      async (reader, got) => {
        for await (const _ of reader) got()
      },
    ],
    [
      'batches',
      async (reader, got) => {
        for await (const records of reader.batches()) records.forEach(got)
      },
    ],
  ]
  const last = onlineCpus.at(-1)!

  it.each(ways)('is read by %s', async (_, read) => {
    using object = load('events-perf')
    for (let round = 0; round < 10; round++) {
      using reader = object.perfBuffer('events')
      let seen = 0
      read(reader, () => {
        // By now the reader has looked at the buffer of that CPU, but epoll does not watch it yet.
        if (++seen === 1) runOn(last, object, 'produce', 1)
      })
      runOn(onlineCpus[0]!, object, 'produce', 1)
      await until('both have come', () => seen === 2)
      expect(reader.availableBytes).toBe(0)
    }
  })

  /** Ten times, a record is written before resume(), and another one while the first is read. */
  const expectBoth = async (object: ReturnType<typeof load>, reader: PerfBuffer<Uint8Array>) => {
    let seen = 0
    reader.on(() => {
      if (++seen % 2 === 1) runOn(last, object, 'produce', 1)
    })
    for (let round = 1; round <= 10; round++) {
      reader.pause()
      runOn(onlineCpus[0]!, object, 'produce', 1)
      reader.resume()
      await until('both have come', () => seen === 2 * round)
    }
  }

  it('is read after resume()', async () => {
    using object = load('events-perf')
    using reader = object.perfBuffer('events')
    await expectBoth(object, reader)
  })

  it('is read by a wakeable reader long before its interval', async () => {
    using object = load('events-perf')
    using reader = object.perfBuffer('events', undefined, { interval: 3_600_000, wakeable: true })
    await expectBoth(object, reader)
  })

  it('is read by the thread that waits in other runtimes', async () => {
    const script = `
      import { BpfObject } from 'libbpf-node'
      const object = BpfObject.open(process.argv[1])
      object.loadSync()
      const reader = object.perfBuffer('events')
      const produce = () => object.program('produce').testRunSync({ cpu: 0, flags: 1 })
      let seen = 0
      // Each record is written after the one before was read, when the thread may not be waiting again yet.
      reader.on(() => {
        if (++seen < 1000) queueMicrotask(produce)
        else reader.close()
      })
      produce()
      process.on('exit', () => console.log(seen))`
    const env = { LIBBPF_NODE_LOOP: 'thread' }
    const { stdout } = await runChild(script, [objectPath('events-perf')], { env })
    expect(stdout).toBe('1000\n')
  })
})

describe('a perf buffer with an interval and a watermark', () => {
  it('is read at the watermark', async () => {
    using object = load('events-perf')
    using reader = object.perfBuffer('events', undefined, {
      interval: 3_600_000,
      wakeable: true,
      watermark: 400,
    })
    let seen = 0
    reader.drain(() => seen++)
    await turns(2)
    runOn(onlineCpus[0]!, object, 'produce', 9)
    await turns()
    expect(seen).toBe(0)
    runOn(onlineCpus[0]!, object, 'produce', 2)
    await until('the watermark is reached', () => seen >= 10)
  })
})

describe('a process', () => {
  const prelude = `
    import { BpfObject } from 'libbpf-node'
    const object = BpfObject.open(process.argv[1])
    object.loadSync()
    const reader = object.ringBuffer('events')
  `
  const path = [objectPath('events-sizes')]

  it.each([
    'reader.unref().on(() => {})',
    'reader.unref().batches().next()',
    'reader.on(() => {}); reader.stop()',
    'reader.on(() => {}); reader.pause()',
    'reader.batches()',
  ])('ends after %s', async (script) => {
    expect(await runChild(prelude + script, path)).toMatchObject({ status: 0, stdout: '', stderr: '' })
  })

  it('ends after unref() although a slow listener has not received everything', async () => {
    const child = await runChild(
      `${prelude}
       object.program('count').testRunSync({ data: new Uint8Array(64), repeat: 10_000 })
       let count = 0
       reader.on(() => {
         if (++count === 10) reader.unref()
         const end = performance.now() + 1
         while (performance.now() < end);
       })
       process.on('exit', () => console.log(count > 0, count < 10_000))`,
      path,
    )
    expect(child).toMatchObject({ status: 0, stdout: 'true true\n', stderr: '' })
  })
})
