import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { objectPath } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { BPF_RB_NO_WAKEUP, Rings, turns, upTo } from './rings.js'

describe('a producer that wakes nobody', () => {
  const flags = BPF_RB_NO_WAKEUP

  it('is looked for by a reader with an interval', async () => {
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

  it('is looked for by an iteration with an interval', async () => {
    using rings = new Rings()
    using reader = rings.reader({ interval: 1 })
    const iterator = reader[Symbol.asyncIterator]()
    const waiting = iterator.next()
    await turns(2)
    rings.produce(1, { flags })
    expect((await waiting).value?.number).toBe(0n)
    await iterator.return!()
  })

  it('is not seen without one, until somebody looks', async () => {
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

describe('a reader', () => {
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
  ])('lets it end after %s', async (script) => {
    expect(await runChild(prelude + script, path)).toMatchObject({ status: 0, stdout: '', stderr: '' })
  })

  it('lets it end although a slow listener is not through', async () => {
    const child = await runChild(
      `${prelude}
       object.program('count').testRunSync({ data: new Uint8Array(64), repeat: 10_000 })
       let count = 0
       reader.on(() => {
         count++
         const end = performance.now() + 1
         while (performance.now() < end);
       })
       setTimeout(() => reader.unref(), 10)
       process.on('exit', () => console.log(count > 0, count < 10_000))`,
      path,
    )
    expect(child).toMatchObject({ status: 0, stdout: 'true true\n', stderr: '' })
  })
})
