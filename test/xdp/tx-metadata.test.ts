import { XdpMemory, XdpSocket, type XdpTxMetadata } from 'libbpf-node/xdp'
import { describe, expect, it } from 'vitest'
import { ip } from '../attach/surroundings.js'
import { kernelIs, requiresKernel } from '../helpers/kernel.js'
import { until } from '../helpers/until.js'
import { experimental, packet, usePair } from './pair.js'

const pair = usePair()
const udpAt = 34
const filter = { protocol: 'udp', port: 4000 } as const

/** The sum of 16-bit words as in IP's checksums, not inverted. */
function sumOf(bytes: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i++) sum += i % 2 === 0 ? bytes[i]! << 8 : bytes[i]!
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}

/** A UDP datagram with the sum of its pseudo header in place of its checksum. */
function datagram(text: string): Uint8Array {
  const data = new TextEncoder().encode(text)
  const bytes = packet(0, udpAt + 8 + data.length)
  const view = new DataView(bytes.buffer)
  view.setUint16(12, 0x0800)
  bytes.set([0x45, 0, 0, 28 + data.length, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], 14)
  view.setUint16(24, ~sumOf(bytes.subarray(14, udpAt)) & 0xffff)
  view.setUint16(udpAt, 5000)
  view.setUint16(udpAt + 2, 4000)
  view.setUint16(udpAt + 4, 8 + data.length)
  bytes.set(data, udpAt + 8)
  const pseudo = Uint8Array.of(...bytes.subarray(26, 34), 0, 17, 0, 8 + data.length)
  view.setUint16(udpAt + 6, sumOf(pseudo))
  return bytes
}

const checksum = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint16(udpAt + 6)

/** What a receiver that adds up everything, and the pseudo header, has to get: all ones. */
function received(bytes: Uint8Array): number {
  const length = bytes.length - udpAt
  return sumOf(Uint8Array.of(...bytes.subarray(26, 34), 0, 17, 0, length, ...bytes.subarray(udpAt)))
}

/** Sends from a socket with metadata, and returns what arrives. */
async function exchange(
  memory: XdpMemory,
  count: number,
  send: (from: XdpSocket) => void,
): Promise<Uint8Array[]> {
  using from = await XdpSocket.open(pair.a, { redirect: false, memory })
  using to = await XdpSocket.open(pair.b, { filter })
  const packets: Uint8Array[] = []
  to.drain((batch) => packets.push(...batch.copy()))
  send(from)
  await until('all packets arrived', () => packets.length === count)
  return packets
}

describe('metadata of packets that are sent', () => {
  requiresKernel('6.11', 'fills in a checksum', async () => {
    const memory = new XdpMemory({ txSwCsum: true })
    const request = { csumStart: udpAt, csumOffset: 6 }
    const [plain, first, odd, inPlace] = await exchange(memory, 4, (from) => {
      expect(from.send(datagram('as it is'))).toBe(true)
      expect(from.send(datagram('hello'), request)).toBe(true)
      expect(from.send(datagram('hello, world'), request)).toBe(true)
      const at = memory.take()!
      const bytes = datagram('in place')
      memory.bytes.set(bytes, at)
      expect(from.sendFrame(at, bytes.length, request)).toBe(true)
    })
    expect(checksum(plain!)).toBe(checksum(datagram('as it is')))
    for (const bytes of [first!, odd!, inPlace!]) expect(received(bytes)).toBe(0xffff)
    expect(memory.counts).toMatchObject({ free: 4096 })
  })

  requiresKernel('6.11', 'tells when packets were sent, in order', async () => {
    const memory = new XdpMemory({ txMetadata: true, frames: 256 })
    const times: bigint[] = []
    await exchange(memory, 3, (from) => {
      for (let i = 0; i < 3; i++)
        from.send(datagram(`number ${i}`), { txTimestamp: (time) => times.push(time) })
    })
    await until('there are three times', () => times.length === 3)
    expect(times).toEqual(times.toSorted((a, b) => (a < b ? -1 : 1)))
    // CLOCK_TAI is ahead of UTC by 37 seconds or, if nobody has told the kernel, by none.
    const seconds = Number(times[0]! / 1_000_000n) / 1000 - Date.now() / 1000
    expect(seconds).toBeGreaterThan(-20)
    expect(seconds).toBeLessThan(60)
    expect(memory.counts).toMatchObject({ free: 256 })
  })

  requiresKernel('6.11', 'tells of both, and of packets that a closed socket has not sent', async () => {
    const memory = new XdpMemory({ txSwCsum: true, frames: 256 })
    const times: bigint[] = []
    const request = { csumStart: udpAt, csumOffset: 6, txTimestamp: (time: bigint) => times.push(time) }
    const [only] = await exchange(memory, 1, (from) => from.send(datagram('both'), request))
    await until('there is a time', () => times.length === 1)
    expect(received(only!)).toBe(0xffff)
    expect(times[0]).toBeGreaterThan(10n ** 18n)

    const socket = await XdpSocket.open(pair.a, { redirect: false, memory })
    socket.send(datagram('late'), request)
    socket.close()
    await until('there is another one', () => times.length === 2)
    expect(times[1]).toBe(0n)
    expect(memory.counts).toMatchObject({ free: 256 })
  })

  requiresKernel('6.11', 'that was overwritten does not stop the packets behind it', async () => {
    const memory = new XdpMemory({ txMetadata: true })
    const packets = await exchange(memory, 2, (from) => {
      const at = memory.take()!
      const bytes = datagram('first')
      memory.bytes.set(bytes, at)
      from.sendFrame(at, bytes.length, {})
      memory.bytes.fill(0xff, at - 24, at)
      from.send(datagram('second'))
    })
    expect(packets.map(checksum)).toEqual(['first', 'second'].map((text) => checksum(datagram(text))))
  })

  requiresKernel('6.11', 'goes with frames of a batch', async () => {
    const memory = new XdpMemory({ txSwCsum: true })
    const times: bigint[] = []
    const txTimestamp = (time: bigint) => times.push(time)
    using echo = await XdpSocket.open(pair.b, { memory, filter })
    echo.drain((batch) => {
      for (let i = 0; i < batch.length; i++) {
        const at = batch.offsets[i]!
        // The ports are swapped, which does not change the sum of the pseudo header.
        batch.view.setUint16(at + udpAt, 4000)
        batch.view.setUint16(at + udpAt + 2, 5000)
        batch.send(i, undefined, undefined, { csumStart: udpAt, csumOffset: 6, txTimestamp })
      }
    })
    using from = await XdpSocket.open(pair.a, { filter: { protocol: 'udp', port: 5000 } })
    const packets: Uint8Array[] = []
    from.drain((batch) => packets.push(...batch.copy()))
    for (const text of ['one', 'two!']) from.send(datagram(text))
    await until('both came back, with times', () => packets.length === 2 && times.length === 2)
    for (const bytes of packets) expect(received(bytes)).toBe(0xffff)
    for (const time of times) expect(time).toBeGreaterThan(10n ** 18n)
    expect(memory.counts).toMatchObject({ held: 0, inBatch: 0 })
  })

  requiresKernel(
    '6.11',
    'of a batch counts only with the last decision, and tells of what is not sent',
    async () => {
      const memory = new XdpMemory({ txMetadata: true, frames: 256 })
      const told: string[] = []
      const time = (name: string) => ({ txTimestamp: (at: bigint) => told.push(`${name} ${at > 0n}`) })
      using to = await XdpSocket.open(pair.b, { memory, filter })
      using from = await XdpSocket.open(pair.a, { redirect: false })
      for (let i = 0; i < 6; i++) from.send(datagram(`number ${i}`))
      from.flush()
      let kept: number | undefined
      const read = to.consume((batch) => {
        expect(() => batch.send(0, undefined, batch.offsets[0]! - 233, time('no room'))).toThrow(RangeError)
        batch.send(0, undefined, undefined, time('first'))
        batch.send(0)
        batch.send(1, undefined, undefined, time('dropped'))
        batch.drop(1)
        batch.send(2, undefined, undefined, time('kept'))
        kept = batch.keep(2)
        batch.send(3, undefined, undefined, time('replaced'))
        batch.send(3, undefined, undefined, time('sent'))
        batch.send(4, undefined, undefined, time('nonsense'))
        batch.lengths[4] = 0
      })
      expect(read).toBe(6)
      await until('two are told', () => told.length === 2)
      expect(told.toSorted()).toEqual(['nonsense false', 'sent true'])
      expect(memory.counts).toMatchObject({ held: 1 })
      to.release(kept!)
      expect(to.stats.txRingFull).toBe(1n)
    },
  )

  requiresKernel('6.11', 'belongs to the first frame of a packet', async () => {
    for (const name of [pair.a, pair.b]) ip('link', 'set', name, 'mtu', '9000')
    using from = await XdpSocket.open(pair.a, { redirect: false, frameSize: 4096, multiBuffer: true })
    using to = await XdpSocket.open(pair.b, {
      filter: { etherType: experimental },
      frameSize: 4096,
      multiBuffer: true,
      txMetadata: true,
    })
    const jumbo = packet(1, 8000)
    const parts = [0, 4000].map((at) => {
      const frame = from.memory.take()!
      from.memory.bytes.set(jumbo.subarray(at, at + 4000), frame)
      return [frame, 4000] as const
    })
    from.sendFrames(parts)
    from.flush()
    const times: bigint[] = []
    const txTimestamp = (time: bigint) => times.push(time)
    to.consume((batch) => {
      expect(batch.continues(0)).toBe(true)
      expect(() => batch.send(1, undefined, undefined, { txTimestamp })).toThrow('frame 1 continues a packet')
      batch.send(0, undefined, undefined, { txTimestamp })
    })
    await until('it was sent', () => times.length === 1)
    expect(times[0]).toBeGreaterThan(10n ** 18n)
    expect(to.memory.counts).toMatchObject({ held: 0, inBatch: 0, sending: 0 })
    pair.renew()
  })

  requiresKernel('6.11', 'of a batch whose callback closes the socket has no time', async () => {
    const memory = new XdpMemory({ txMetadata: true, frames: 256 })
    const times: bigint[] = []
    using to = await XdpSocket.open(pair.b, { memory, filter })
    using from = await XdpSocket.open(pair.a, { redirect: false })
    to.drain((batch) => {
      batch.send(0, undefined, undefined, { txTimestamp: (time) => times.push(time) })
      to.close()
    })
    from.send(datagram('last'))
    await until('there is an answer', () => times.length === 1)
    expect(times).toEqual([0n])
    expect(memory.counts).toMatchObject({ free: 256 })
  })

  requiresKernel('6.11', 'is refused where it makes no sense', async () => {
    using socket = await XdpSocket.open(pair.a, { redirect: false, txMetadata: true })
    const bytes = datagram('x')
    const send = (metadata: unknown) => () => socket.send(bytes, metadata as XdpTxMetadata)
    expect(send({ csumStart: 34 })).toThrow('csumStart and csumOffset are not both whole numbers')
    expect(send({ csumStart: -1, csumOffset: 6 })).toThrow(TypeError)
    expect(send({ csumStart: 34, csumOffset: 8 })).toThrow('is not in the packet of 43 bytes')
    expect(send({ txTimestamp: true })).toThrow('txTimestamp is not a function')
    const { memory } = socket
    expect(() => socket.send(new Uint8Array(2025))).toThrow('not between 1 and 2024')
    const at = memory.take()!
    expect(at % 2048).toBe(24)
    expect(() => socket.sendFrame(at - 1, 64)).toThrow(RangeError)
    memory.release(at)
  })

  it('needs memory with room for it', async () => {
    using socket = await XdpSocket.open(pair.a, { redirect: false })
    expect(() => socket.send(datagram('x'), {})).toThrow(
      'the memory has no room for metadata: use the option txMetadata',
    )
  })

  if (!kernelIs('6.11'))
    it('requires Linux 6.11', async () => {
      await expect(XdpSocket.open(pair.a, { redirect: false, txMetadata: true })).rejects.toThrow(
        'txMetadata requires Linux 6.11',
      )
    })
})
