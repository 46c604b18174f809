import { BpfObject } from 'libbpf-node'
import * as asm from 'libbpf-node/asm'
import { buildObject } from 'libbpf-node/asm'
import { XdpMemory, XdpRedirect, XdpSocket, type XdpSocketOptions } from 'libbpf-node/xdp'
import { afterEach, describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { requiresKernel } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { until } from '../helpers/until.js'
import { experimental, numberOf, numbers, packet, usePair } from './pair.js'

const pair = usePair()
const filter = { etherType: experimental }
const opened: XdpSocket[] = []
afterEach(() => {
  for (const socket of opened.splice(0)) socket.close()
})

async function receiver(options: XdpSocketOptions = {}): Promise<XdpSocket> {
  const socket = await XdpSocket.open(pair.b, { filter, ...options })
  opened.push(socket)
  return socket
}
async function sender(options: XdpSocketOptions = { redirect: false }): Promise<XdpSocket> {
  const socket = await XdpSocket.open(pair.a, options)
  opened.push(socket)
  return socket
}

describe('XdpSocket.drain', () => {
  for (const interval of [0, 1]) {
    it(`passes packets in place, with an interval of ${interval} ms`, async () => {
      const from = await sender()
      const to = await receiver({ interval })
      const seen: number[] = []
      to.drain((batch) => {
        for (let i = 0; i < batch.length; i++) {
          expect(batch.lengths[i]).toBe(64)
          seen.push(batch.view.getUint32(batch.offsets[i]! + 14))
        }
      })
      for (let i = 0; i < 100; i++) expect(from.send(packet(i))).toBe(true)
      await until('all have arrived', () => seen.length === 100)
      expect(seen).toEqual(numbers(100))
      expect(to.memory.counts).toMatchObject({ held: 0, inBatch: 0, sending: 0 })
    })
  }

  it('sends packets back, changed in place', async () => {
    const from = await sender({ filter })
    const to = await receiver()
    to.drain((batch) => {
      for (let i = 0; i < batch.length; i++) {
        batch.view.setUint32(batch.offsets[i]! + 18, 7)
        // A header of 4 bytes more at the front.
        batch.bytes.copyWithin(batch.offsets[i]! - 4, batch.offsets[i]!, batch.offsets[i]! + 14)
        batch.send(i, 68, batch.offsets[i]! - 4)
      }
    })
    const back: number[] = []
    from.drain((batch) => {
      for (let i = 0; i < batch.length; i++) {
        const bytes = batch.frame(i)
        expect(bytes.length).toBe(68)
        expect(bytes[25]).toBe(7)
        back.push(numberOf(bytes.subarray(4)))
      }
    })
    for (let i = 0; i < 1000; i++) while (!from.send(packet(i))) from.flush()
    await until('all are back', () => back.length === 1000)
    expect(back).toEqual(numbers(1000))
    await until('all frames are back', () => to.memory.counts.sending === 0)
    expect(to.stats).toMatchObject({ txRingFull: 0n, txInvalid: 0n, rxInvalid: 0n, unsent: 0 })
  })

  it('delivers on after its callback threw, and does what the callback had decided', async () => {
    const { stdout, stderr } = await runChild(
      `import { XdpSocket } from 'libbpf-node/xdp'
       const [, a, b] = process.argv
       const thrown = []
       process.on('uncaughtException', (error) => thrown.push(error.message))
       const from = await XdpSocket.open(a, { redirect: false })
       const to = await XdpSocket.open(b, { filter: { etherType: ${experimental} } })
       let seen = 0
       const kept = []
       to.drain((batch) => {
         for (let i = 0; i < batch.length; i++) {
           seen++
           if (seen === 5) kept.push(batch.keep(i))
         }
         throw new Error('thrown')
       })
       const bytes = new Uint8Array(64).fill(255, 0, 6)
       new DataView(bytes.buffer).setUint16(12, ${experimental})
       for (let i = 0; i < 100; i++) { from.send(bytes); await new Promise((r) => setImmediate(r)) }
       while (seen < 100) await new Promise((r) => setTimeout(r, 5))
       console.log(JSON.stringify([seen, thrown.every((one) => one === 'thrown'), thrown.length > 0, kept.length, to.memory.counts]))
       from.close()
       to.close()`,
      [pair.a, pair.b],
    )
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toMatchObject([100, true, true, 1, { held: 1, inBatch: 0, sending: 0 }])
  })

  it('may close the socket in its callback', async () => {
    const from = await sender()
    const to = await receiver()
    let calls = 0
    to.drain((batch) => {
      calls++
      batch.keep(0)
      to.close()
      expect(() => batch.send(0)).toThrow('the batch is over')
    })
    from.send(packet(1))
    await until('it was called', () => calls > 0)
    expect(to.closed).toBe(true)
    expect(to.memory.counts).toMatchObject({ free: 4096, receiving: 0, inBatch: 0 })
    expect(thrownBy(() => to.stats)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  it('stops, and another way of reading gets what comes next', async () => {
    const from = await sender()
    const to = await receiver()
    let seen = 0
    to.drain((batch) => {
      seen += batch.length
    })
    expect(thrownBy(() => to.batches())).toMatchObject({ code: 'ERR_BPF_STATE' })
    from.send(packet(1))
    await until('it has arrived', () => seen === 1)
    to.stop()
    from.send(packet(2))
    const { value } = await to.batches().next()
    expect(value!.map(numberOf)).toEqual([2])
    expect(seen).toBe(1)
  })
})

describe('XdpSocket.batches', () => {
  it('gives copies at the pace of the loop', async () => {
    const from = await sender()
    const to = await receiver()
    for (let i = 0; i < 10; i++) from.send(packet(i))
    const seen: number[] = []
    const copies: Uint8Array[] = []
    for await (const packets of to.batches()) {
      copies.push(...packets)
      seen.push(...packets.map(numberOf))
      if (seen.length === 10) break
    }
    expect(seen).toEqual(numbers(10))
    expect(copies[0]!.buffer).toBeInstanceOf(ArrayBuffer)
    expect(to.memory.counts).toMatchObject({ held: 0, inBatch: 0 })
  })

  it('ends when the socket is closed, and answers calls in order', async () => {
    const from = await sender()
    const to = await receiver()
    const packets = to.batches()
    const [first, second] = [packets.next(), packets.next()]
    from.send(packet(5))
    expect((await first).value!.map(numberOf)).toEqual([5])
    to.close()
    expect(await second).toEqual({ done: true, value: undefined })
    expect(await packets.next()).toEqual({ done: true, value: undefined })
  })
})

describe('XdpSocket.consume', () => {
  it('reads what is there now', async () => {
    const from = await sender()
    const to = await receiver()
    const seen: number[] = []
    const read = (batch: Parameters<Parameters<typeof to.drain>[0]>[0]): void => {
      for (let i = 0; i < batch.length; i++) seen.push(numberOf(batch.frame(i)))
      expect(thrownBy(() => to.consume(read))).toMatchObject({ code: 'ERR_BPF_BUSY' })
    }
    expect(to.consume(read)).toBe(0)
    for (let i = 0; i < 300; i++) from.send(packet(i))
    from.flush()
    await until('all are there', () => to.consume(read) >= 0 && seen.length === 300)
    expect(seen).toEqual(numbers(300))
    from.send(packet(1))
    from.flush()
    await until('the callback throws', () => {
      try {
        to.consume(() => {
          throw new Error('thrown')
        })
        return false
      } catch (error) {
        return (error as Error).message === 'thrown'
      }
    })
    expect(to.memory.counts.inBatch).toBe(0)
  })
})

describe('an xskmap of your own', () => {
  it('takes a socket as its value', async () => {
    const { r1, r2, r3 } = asm
    const bytes = buildObject({
      license: 'GPL',
      maps: { mine: { type: 'xskmap', maxEntries: 1, key: asm.types.u32, value: asm.types.u32 } },
      programs: {
        to_mine: {
          section: 'xdp',
          instructions: [
            asm.ldMap(r1, 'mine'),
            asm.mov(r2, 0),
            asm.mov(r3, 2),
            asm.call('redirect_map'),
            asm.exit(),
          ],
        },
      },
    })
    using object = BpfObject.open(bytes)
    object.loadSync()
    using _link = object.program('to_mine').attachXdp(pair.b)
    const from = await sender()
    const to = await receiver({ redirect: false })
    object.map<number, XdpSocket>('mine').set(0, to)
    from.send(packet(9))
    const { value } = await to.batches().next()
    expect(value!.map(numberOf)).toContain(9)
    expect(() => object.map<number, unknown>('mine').set(0, { fd: 'x' })).toThrow()
  })
})

describe('XdpRedirect', () => {
  it('names the program that is attached already', async () => {
    using _redirect = new XdpRedirect(pair.b)
    await expect(XdpSocket.open(pair.b)).rejects.toMatchObject({
      code: 'EBUSY',
      message: expect.stringContaining('is attached already'),
    })
  })

  it('detaches with the socket that made it', async () => {
    const to = await receiver()
    expect(to.redirect!.link.mode).toBe('native')
    to.close()
    ;(await receiver({ mode: 'generic' })).close()
  })

  it('works in generic mode', async () => {
    const from = await sender()
    const to = await receiver({ mode: 'generic' })
    from.send(packet(3))
    const { value } = await to.batches().next()
    expect(value!.map(numberOf)).toEqual([3])
  })
})

describe('XdpSocket.open', () => {
  it('names what is wrong', async () => {
    const wrong: [Record<string, unknown>, RegExp][] = [
      [{ queue: 1.5 }, /queue is not a whole number/],
      [{ queue: 77 }, /the interface has one queue, which has the number 0 \(EINVAL\)/],
      [{ frameSize: 1000 }, /frameSize is not 2048 or 4096/],
      [{ frames: 3 }, /frames is not between 64/],
      [{ rxSize: 100 }, /rxSize is not a power of two/],
      [{ fillSize: 0 }, /fillSize is not a power of two/],
      [{ batchSize: 1 }, /batchSize is not between 32 and 65536/],
      [{ interval: -1 }, /interval is not between/],
      [{ copyMode: 'fast' }, /copyMode is not/],
      [{ memory: {} }, /memory is not an XdpMemory/],
      [{ memory: new XdpMemory(), frames: 512 }, /frames is an option of the XdpMemory that you pass/],
      [{ filter: { port: 70000 } }, /filter.port is not between 0 and 65535/],
      [{ filter: { protocol: 'http' } }, /filter.protocol 'http' does not exist/],
      [{ filter: { prt: 1 } }, /filter.prt does not exist/],
      [{ filter: { protocol: 'icmp', port: 5 } }, /filter.protocol icmp has no ports/],
      [{ filter: { etherType: 0x0806, port: 5 } }, /filter.etherType 0x0806 has no port: only/],
      [{ filter: { etherType: 0x0806, protocol: 'udp' } }, /filter.etherType 0x0806 has no protocol: only/],
      [{ mode: 'fast' }, /XDP mode 'fast' does not exist/],
      [{ rxSize: 0, txSize: 0 }, /rxSize and txSize are both 0/],
      [{ redirect: true }, /redirect is not an XdpRedirect, the xskmap of your own program, or false/],
      [{ redirect: null }, /redirect is not an XdpRedirect/],
      [{ busyPoll: true }, /busyPoll.microseconds is not a whole number/],
    ]
    for (const [options, message] of wrong)
      await expect(XdpSocket.open(pair.b, options as XdpSocketOptions)).rejects.toThrow(message)
    await expect(XdpSocket.open(`${pair.b}x`)).rejects.toThrow(/no such network interface/)
    await expect(XdpSocket.open(pair.b, { copyMode: 'zero-copy', filter })).rejects.toThrow(
      /its driver has no zero-copy mode|EOPNOTSUPP|EINVAL/,
    )
  })

  it('says that another socket has the queue', async () => {
    await receiver()
    await expect(XdpSocket.open(pair.b, { redirect: false })).rejects.toThrow(
      'the queue has another AF_XDP socket (EBUSY)',
    )
  })

  it('works without waiting for Promises', () => {
    using socket = XdpSocket.openSync(pair.b, { filter })
    expect(socket.fd).toBeGreaterThan(2)
    expect(socket.zeroCopy).toBe(false)
  })

  requiresKernel('5.11', 'may poll busily', async () => {
    const from = await sender()
    const to = await receiver({ busyPoll: { microseconds: 20, budget: 16 } })
    from.send(packet(4))
    const { value } = await to.batches().next()
    expect(value!.map(numberOf)).toEqual([4])
  })

  it('makes sockets that only receive or only send', async () => {
    const from = await sender({ rxSize: 0 })
    const to = await receiver({ txSize: 0 })
    from.send(packet(8))
    const { value } = await to.batches().next()
    expect(value!.map(numberOf)).toEqual([8])
    expect(to.send(packet(1))).toBe(false)
    expect(from.redirect).toBeUndefined()
    expect(from.consume(() => {})).toBe(0)
  })
})

describe('XdpMemory', () => {
  it('cannot be taken away', () => {
    const memory = new XdpMemory({ frames: 64 })
    const { buffer } = memory.bytes
    expect(buffer).toBeInstanceOf(SharedArrayBuffer)
    expect(() => structuredClone(buffer, { transfer: [buffer as unknown as ArrayBuffer] })).toThrow()
    expect((buffer as { growable?: boolean }).growable ?? false).toBe(false)
    expect(memory.bytes.length).toBe(64 * 2048)
  })
})
