import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { thrownBy } from '../helpers/objects.js'
import { useBpffs } from '../helpers/privileged.js'
import { until } from '../helpers/until.js'
import { Rings, recordBytes, upTo } from './rings.js'

/** Starts a Worker and waits until it is about to read. */
async function start(workerData: Record<string, unknown>): Promise<Worker> {
  const worker = new Worker(new URL('ring-worker.mjs', import.meta.url), { workerData, execArgv: [] })
  expect(await once(worker, 'message')).toEqual(['ready'])
  return worker
}

/** What a Worker has read when it ends. */
function result(worker: Worker): Promise<number[]> {
  return new Promise((resolve, reject) => {
    let numbers: number[] = []
    worker.on('error', reject)
    worker.on('message', (message) => {
      if (Array.isArray(message)) numbers = message
    })
    worker.on('exit', () => resolve(numbers))
  })
}

describe('a ring read in a Worker', () => {
  const inBpffs = useBpffs()

  it.each(['fd', 'id', 'path'] as const)('is found by its %s', async (by) => {
    using rings = new Rings({ bytes: 1 << 20 })
    const [map] = rings.maps
    if (by === 'path') map!.pin(inBpffs('ring'))
    const count = 20_000
    const worker = await start({
      [by]: { fd: map!.fd, id: map!.id, path: inBpffs('ring') }[by],
      until: count,
    })
    const numbers = result(worker)
    // In the meantime, this thread does other work: it fills the ring.
    for (let sent = 0; sent < count; sent += 1000) rings.produce(1000)
    expect(await numbers).toEqual(upTo(count))
    expect(map!.info().maxEntries).toBe(1 << 20)
    if (by === 'path') map!.unpin(inBpffs('ring'))
  })

  it('does not disturb other rings in other Workers', async () => {
    using rings = new Rings({ rings: 4 })
    const workers = await Promise.all(rings.maps.map((map) => start({ id: map.id, until: 500 })))
    const numbers = workers.map(result)
    for (let round = 0; round < 10; round++) {
      for (const ring of upTo(4)) rings.produce(50, { ring })
    }
    for (const [ring, got] of (await Promise.all(numbers)).entries()) {
      expect(got).toEqual(upTo(10).flatMap((round) => upTo(50, 200 * round + 50 * ring)))
    }
  })

  it('is refused to all other threads until the Worker has closed it', async () => {
    using rings = new Rings()
    const map = rings.maps[0]!
    const worker = await start({ id: map.id, until: 10 })
    const numbers = result(worker)
    const refused = {
      code: 'EBUSY',
      map: 'ring0',
      message: expect.stringContaining('already has a reader in this process, maybe in another Worker'),
    }
    expect(thrownBy(() => rings.reader())).toMatchObject(refused)
    const other = new Worker(new URL('ring-worker.mjs', import.meta.url), {
      workerData: { id: map.id },
      execArgv: [],
    })
    expect(await new Promise((resolve) => other.once('error', resolve))).toMatchObject(refused)
    rings.produce(10)
    expect(await numbers).toEqual(upTo(10))
    rings.reader().close()
  })

  it('keeps what a terminated Worker has not read', async () => {
    using rings = new Rings()
    rings.produce(1000)
    for (let round = 0; round < 3; round++) {
      const worker = await start({ fd: rings.maps[0]!.fd, slow: true })
      await once(worker, 'message')
      await worker.terminate()
    }
    using reader = rings.reader()
    const left = reader.availableBytes / recordBytes
    expect(left).toBeGreaterThan(0)
    const numbers: number[] = []
    reader.on(({ number }) => numbers.push(Number(number)))
    await until('the rest has come', () => numbers.length === left)
    // The Workers have taken whole batches.
    expect(left % 16).toBe(1000 % 16)
    expect(numbers).toEqual(upTo(left, 1000 - left))
    rings.produce(1)
    await until('the ring goes on', () => numbers.at(-1) === 1000)
  })

  it('does not keep a waiting Worker from being terminated', async () => {
    using rings = new Rings()
    const worker = await start({ id: rings.maps[0]!.id })
    expect(await worker.terminate()).toBe(1)
    rings.produce(1)
    using reader = rings.reader()
    reader.on(() => {})
    expect(reader.consume()).toBe(1)
  })
})
