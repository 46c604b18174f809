import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { objectPath, thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { type Numbered, numbers, Rings, turns, upTo } from './rings.js'

describe('a callback that throws at every tenth record', () => {
  const script = (loop: string) => `
    import { BpfObject } from 'libbpf-node'
    const object = BpfObject.open(process.argv[1])
    object.loadSync()
    const ring = object.ringBuffer('events', undefined, { batchSize: 64 })
    const thrown = []
    process.on('uncaughtException', (error) => thrown.push(error.message))
    const seen = []
    ring.drain((view, offset) => {
      const number = Number(view.getBigUint64(offset, true))
      seen.push(number)
      if (number % 10 === 9) throw new Error('record ' + number)
    })
    const data = new Uint8Array(64)
    object.program('count').testRunSync({ data, repeat: 1000 })
    ${loop}
    const timer = setInterval(() => {
      if (seen.length < 1000) return
      clearInterval(timer)
      ring.close()
      console.log(JSON.stringify({ seen, thrown }))
    }, 100)
  `

  it.each([
    ['from the event loop', ''],
    ['from consume()', 'ring.consume()'],
  ])(
    'receives all other records, and its errors are uncaught exceptions, when called %s',
    async (_, loop) => {
      const child = await runChild(script(loop), [objectPath('events-sizes')])
      expect(child).toMatchObject({ status: 0, stderr: '' })
      expect(JSON.parse(child.stdout)).toEqual({
        seen: upTo(1000),
        thrown: upTo(100).map((i) => `record ${10 * i + 9}`),
      })
    },
  )
})

describe('an iteration that ends with an error', () => {
  it('leaves the remaining records to the next reader', async () => {
    using rings = new Rings()
    for (const how of ['records', 'batches'] as const) {
      const codec = rings.object.codec<{ number: bigint; ring: number }>('record')
      let decoded = 0
      const decode: typeof codec.decode = (...args) => {
        if (++decoded === 3) throw new RangeError('the third')
        return codec.decode(...args)
      }
      using reader = rings.reader({ codec: { ...codec, decode } })
      rings.produce(5)
      const read = async () => {
        for await (const _ of how === 'records' ? reader : reader.batches());
      }
      await expect(read()).rejects.toThrow('the third')
      const rest: unknown[] = []
      reader.on((record) => rest.push(record.number))
      reader.consume()
      expect(rest.length).toBe(2)
    }
  })

  it('rejects the Promise of next()', async () => {
    using rings = new Rings()
    const codec = rings.object.codec<{ number: bigint; ring: number }>('record')
    using reader = rings.reader({
      codec: {
        ...codec,
        decode: () => {
          throw new RangeError('each')
        },
      },
    })
    rings.produce(5)
    for (let i = 0; i < 3; i++) await expect(reader[Symbol.asyncIterator]().next()).rejects.toThrow('each')
  })

  it('lets others read after its body has thrown', async () => {
    using rings = new Rings()
    using reader = rings.reader()
    rings.produce(3)
    const read = async () => {
      for await (const _ of reader) throw new Error('mine')
    }
    await expect(read()).rejects.toThrow('mine')
    reader.on(() => {})
    expect(reader.consume()).toBe(2)
  })
})

describe('a callback or codec that transfers the memory of the records', () => {
  const transfer = (buffer: ArrayBufferLike): void => {
    structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
  }
  const prelude = `
    import { BpfObject } from 'libbpf-node'
    const object = BpfObject.open(process.argv[1])
    object.loadSync()
    const transfer = (buffer) => structuredClone(buffer, { transfer: [buffer] })
    const emit = () => object.program('count').testRunSync({ data: new Uint8Array(64), repeat: 5 })
    const ring = object.ringBuffer('events')
    emit()
  `
  const message = (lost: number): string =>
    `has lost its memory, and ${lost} records with it: a callback or codec has transferred the buffer of the records`

  it.each([2, 5])('ends drain() with an error at record %i, and the next reader goes on', async (at) => {
    const child = await runChild(
      `${prelude}
       const lengths = []
       process.on('uncaughtException', ({ name, code, message }) => {
         const rest = []
         ring.on((record) => rest.push(record.length))
         emit()
         ring.consume()
         ring.close()
         console.log(JSON.stringify({ name, code, message, lengths, rest }))
       })
       ring.drain((view, offset, length) => {
         lengths.push(length)
         if (lengths.length === ${at}) transfer(view.buffer)
       })`,
      [objectPath('events-sizes')],
    )
    expect(child).toMatchObject({ status: 0, stderr: '' })
    expect(JSON.parse(child.stdout)).toEqual({
      name: 'BpfError',
      code: 'ERR_BPF_STATE',
      message: `ring buffer 'events' ${message(5 - at)}`,
      lengths: Array(at).fill(8),
      rest: Array(5).fill(8),
    })
  })

  it.each(['consume()', 'for await', 'batches'])('is the same error for %s', async (way) => {
    using rings = new Rings()
    rings.produce(5)
    const codec = rings.object.codec<Numbered>('record')
    const decode: typeof codec.decode = (view, ...args) => {
      const record = codec.decode(view, ...args)
      if (record.number === 1n) transfer(view.buffer)
      return record
    }
    using reader = rings.reader({ codec: { ...codec, decode } })
    const seen: number[] = []
    const read = async (): Promise<void> => {
      if (way === 'consume()') reader.on(({ number }) => seen.push(Number(number))).consume()
      else if (way === 'for await') for await (const { number } of reader) seen.push(Number(number))
      else for await (const records of reader.batches()) seen.push(...numbers(records))
    }
    const error = await read().catch((error) => error)
    expect(error).toMatchObject({ name: 'BpfError', code: 'ERR_BPF_STATE' })
    expect(error.message).toBe(`ring buffer 'ring0' ${message(3)}`)
    expect(seen).toEqual([0, 1])
    rings.produce(2)
    reader.on(({ number }) => seen.push(Number(number)))
    reader.consume()
    expect(seen).toEqual([0, 1, 5, 6])
  })
})

describe('a callback that is not a function', () => {
  it('is refused by on() and drain()', () => {
    using rings = new Rings()
    using reader = rings.reader()
    expect(() => reader.on(undefined as never)).toThrow(TypeError)
    expect(() => reader.drain({} as never)).toThrow('callback is not a function')
    reader.on(() => {})
  })
})

describe('close() inside of a callback', () => {
  it.each(['event loop', 'consume()'])('ends this reader, called from %s', async (from) => {
    using rings = new Rings()
    const reader = rings.reader()
    rings.produce(10)
    let count = 0
    reader.on(() => {
      count++
      reader.close()
    })
    if (from === 'consume()') expect(reader.consume()).toBe(1)
    await until('it is called', () => count > 0)
    await turns(3)
    expect(count).toBe(1)
    expect(reader.closed).toBe(true)
    expect(thrownBy(() => reader.size)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  it('ends another reader, whose callback is not called again', async () => {
    using rings = new Rings({ rings: 2 })
    const one = rings.reader({}, 1)
    const [, map] = rings.maps
    const two = rings.readerOf(map!)
    for (const ring of [0, 1]) rings.produce(10, { ring })
    const seen: number[] = []
    one.on(() => {
      seen.push(1)
      two.close()
    })
    two.on(() => {
      seen.push(2)
      one.close()
    })
    await until('one of them is called', () => seen.length > 0)
    await turns(3)
    // The one that was called first has closed the other.
    expect(new Set(seen).size).toBe(1)
    expect(seen.length).toBe(10)
    expect([one.closed, two.closed].filter(Boolean).length).toBe(1)
    one.close()
    two.close()
  })

  it('of the object lets the reader go on', async () => {
    const rings = new Rings()
    using reader = rings.reader()
    rings.produce(10)
    const seen: bigint[] = []
    reader.on(({ number }) => {
      seen.push(number)
      rings[Symbol.dispose]()
    })
    await until('all have come', () => seen.length === 10)
    expect(rings.object.closed).toBe(true)
    expect(reader.availableBytes).toBe(0)
  })

  it('ends an iteration when its body calls it', async () => {
    using rings = new Rings()
    const reader = rings.reader()
    rings.produce(10)
    let count = 0
    for await (const _ of reader) {
      count++
      reader.close()
    }
    expect(count).toBe(1)
  })

  it('ends an iteration that waits', async () => {
    using rings = new Rings()
    const reader = rings.reader()
    const waiting = [reader.batches()].flatMap((batches) => [batches.next(), batches.next()])
    await turns(1)
    reader.close()
    expect(await Promise.all(waiting)).toEqual(Array(2).fill({ done: true, value: undefined }))
  })
})
