// Several sockets: of several queues, with one memory, in Workers; and packets of several frames.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { XdpMemory, XdpRedirect, XdpSocket } from 'libbpf-node/xdp'
import { describe, expect, it } from 'vitest'
import { ip } from '../attach/surroundings.js'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { until } from '../helpers/until.js'
import { experimental, numberOf, numbers, packet, usePair } from './pair.js'

const pair = usePair({ queues: 2 })
const filter = { etherType: experimental }

/** Its `workerData` also has the library's address and the interface that receives. */
function startWorker(script: string, data: object): Worker {
  const library = new URL('../../dist/lib/xdp.js', import.meta.url).href
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
    workerData: { library, interface: pair.b, ...data },
  })
}

describe('sockets of several queues', () => {
  it('each get the packets of their queue, through one program', async () => {
    using redirect = new XdpRedirect(pair.b, { filter })
    const seen: number[][] = [[], []]
    const sockets: XdpSocket[] = []
    for (const queue of [0, 1]) {
      const from = await XdpSocket.open(pair.a, { queue, redirect: false })
      const to = await XdpSocket.open(pair.b, { queue, redirect })
      to.drain((batch) => {
        for (let i = 0; i < batch.length; i++) seen[queue]!.push(numberOf(batch.frame(i)))
      })
      sockets.push(from, to)
      for (let i = 0; i < 50; i++) from.send(packet(100 * queue + i))
    }
    await until('all have arrived', () => seen[0]!.length + seen[1]!.length === 100)
    expect(seen).toEqual([numbers(50), numbers(50).map((i) => 100 + i)])
    for (const socket of sockets) socket.close()
  })

  it('can be read by a Worker that never returns to its event loop', async () => {
    const script = `
      const { parentPort, workerData } = await import('node:worker_threads')
      const { XdpSocket } = await import(workerData.library)
      const { stop } = workerData
      const socket = await XdpSocket.open(workerData.interface, { filter: workerData.filter })
      parentPort.postMessage('ready')
      const seen = []
      const read = (batch) => {
        for (const bytes of batch.copy()) seen.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(14))
        Atomics.store(stop, 1, seen.length)
      }
      while (Atomics.wait(stop, 0, 0, 1) === 'timed-out') socket.consume(read)
      socket.close()
      parentPort.postMessage(seen)`
    const stop = new Int32Array(new SharedArrayBuffer(8))
    const worker = startWorker(script, { stop, filter })
    expect(await once(worker, 'message')).toEqual(['ready'])
    using from = await XdpSocket.open(pair.a, { redirect: false })
    for (let i = 0; i < 50; i++) {
      from.send(packet(i))
      from.flush()
    }
    await until('all have arrived', () => Atomics.load(stop, 1) === 50)
    const answer = once(worker, 'message')
    Atomics.store(stop, 0, 1)
    Atomics.notify(stop, 0)
    expect(await answer).toEqual([numbers(50)])
    await once(worker, 'exit')
  })

  it('can each be in a Worker', async () => {
    using redirect = new XdpRedirect(pair.b, { filter })
    const script = `
      const { parentPort, workerData } = await import('node:worker_threads')
      const { BpfMap } = await import(workerData.library.replace('xdp.js', 'index.js'))
      const { XdpSocket } = await import(workerData.library)
      const map = BpfMap.fromId(workerData.map)
      const socket = await XdpSocket.open(workerData.interface, { queue: workerData.queue, redirect: map })
      let seen = 0
      socket.drain((batch) => {
        seen += batch.length
        if (seen === 20) { socket.close(); map.close(); parentPort.postMessage(seen) }
      })
      parentPort.postMessage('ready')`
    const workers = [0, 1].map((queue) => startWorker(script, { queue, map: redirect.map.id }))
    const ready = await Promise.all(workers.map((worker) => once(worker, 'message')))
    expect(ready).toEqual([['ready'], ['ready']])
    const answers = workers.map((worker) => once(worker, 'message'))
    for (const queue of [0, 1]) {
      using from = await XdpSocket.open(pair.a, { queue, redirect: false })
      for (let i = 0; i < 20; i++) from.send(packet(i))
      from.flush()
      expect((await answers[queue])![0]).toBe(20)
    }
    await Promise.all(workers.map((worker) => worker.terminate()))
  })
})

describe('one memory', () => {
  requiresKernel(
    '5.10',
    'is shared by sockets of several interfaces, which pass packets on uncopied',
    async () => {
      const memory = new XdpMemory({ frames: 512 })
      const ring = { memory, fillSize: 128, rxSize: 128, txSize: 128 }
      // Packets go from the memory out of one interface, into it at the other one, and back.
      const out = await XdpSocket.open(pair.a, { ...ring, filter })
      const back = await XdpSocket.open(pair.b, { ...ring, filter })
      const seen: number[] = []
      back.drain((batch) => {
        for (let i = 0; i < batch.length; i++) {
          const frame = batch.keep(i)
          const length = batch.lengths[i]!
          // Another socket sends what this one has received.
          setImmediate(() => {
            if (!back.sendFrame(frame, length)) back.release(frame)
          })
        }
      })
      out.drain((batch) => {
        for (let i = 0; i < batch.length; i++) seen.push(numberOf(batch.frame(i)))
      })
      for (let i = 0; i < 100; i++) expect(out.send(packet(i))).toBe(true)
      await until('all are back', () => seen.length === 100)
      expect(seen.sort((a, b) => a - b)).toEqual(numbers(100))
      // The first socket has registered the memory; the second one goes on without it.
      out.close()
      await until('nothing is on its way', () => memory.counts.sending === 0)
      using from = await XdpSocket.open(pair.a, { redirect: false })
      let more = 0
      back.stop()
      back.drain((batch) => {
        more += batch.length
      })
      from.send(packet(1))
      await until('it arrives', () => more === 1)
      back.close()
      expect(memory.counts).toEqual({ free: 512, receiving: 0, inBatch: 0, held: 0, sending: 0 })
      // And it can be registered again.
      const again = await XdpSocket.open(pair.b, { ...ring, filter })
      again.drain((batch) => {
        more += batch.length
      })
      from.send(packet(2))
      await until('it arrives', () => more === 2)
      again.close()
    },
  )

  it('is shared by sockets of one queue', async () => {
    const memory = new XdpMemory({ frames: 512 })
    const ring = { memory, fillSize: 128, rxSize: 128, txSize: 128 }
    using from = await XdpSocket.open(pair.a, { redirect: false })
    const first = await XdpSocket.open(pair.b, { ...ring, filter })
    const second = await XdpSocket.open(pair.b, { ...ring, redirect: first.redirect! })
    let [ofFirst, ofSecond] = [0, 0]
    second.drain((batch) => {
      ofSecond += batch.length
    })
    from.send(packet(1))
    await until('the one that was set last gets it', () => ofSecond === 1)
    // Its packets wait in its ring and are not lost with it.
    second.stop()
    for (let i = 0; i < 10; i++) from.send(packet(i))
    from.flush()
    second.close()
    first.redirect!.set(0, first)
    first.drain((batch) => {
      ofFirst += batch.length
    })
    from.send(packet(2))
    await until('the first one gets it', () => ofFirst === 1)
    first.close()
    expect(memory.counts).toEqual({ free: 512, receiving: 0, inBatch: 0, held: 0, sending: 0 })
  })
})

describe('a packet of several frames', () => {
  requiresKernel('6.6', 'arrives whole, and is sent back whole', async () => {
    for (const name of [pair.a, pair.b]) ip('link', 'set', name, 'mtu', '9000')
    const jumbo = packet(77, 9000)
    for (let i = 18; i < jumbo.length; i++) jumbo[i] = i
    using from = await XdpSocket.open(pair.a, { filter, frameSize: 4096, multiBuffer: true })
    using to = await XdpSocket.open(pair.b, { filter, frameSize: 4096, multiBuffer: true })
    const parts: number[] = []
    to.drain((batch) => {
      for (let i = 0; i < batch.length; i++) {
        parts.push(batch.lengths[i]!)
        const isFirst = i === 0 || !batch.continues(i - 1)
        if (isFirst) batch.send(i)
      }
    })
    const back = from.batches()
    for (let i = 0; i < 20; i++) {
      while (!from.send(packet(i))) from.flush()
      // The first fragments are longer than a frame of this sender's: they go out as several frames.
      const offsets = [0, 4000, 8000].map((at) => {
        const frame = from.memory.take()!
        from.memory.bytes.set(jumbo.subarray(at, at + 4000), frame)
        return frame
      })
      expect(from.sendFrames(offsets.map((offset, k) => [offset, k < 2 ? 4000 : 1000]))).toBe(true)
    }
    const seen: Uint8Array[] = []
    while (seen.length < 40) seen.push(...(await back.next()).value!)
    expect(seen.filter(({ length }) => length === 64).map(numberOf)).toEqual(numbers(20))
    for (const one of seen.filter(({ length }) => length !== 64)) expect(Buffer.compare(one, jumbo)).toBe(0)
    expect(parts.length).toBeGreaterThan(60)
    await until('all frames are back', () => to.memory.counts.sending + from.memory.counts.sending === 0)
    expect(to.memory.counts).toMatchObject({ held: 0, inBatch: 0 })
  })

  it('requires Linux 6.6', async () => {
    if (kernelIs('6.6')) return
    await expect(XdpSocket.open(pair.a, { redirect: false, multiBuffer: true })).rejects.toThrow(
      'multiBuffer requires Linux 6.6',
    )
  })
})
