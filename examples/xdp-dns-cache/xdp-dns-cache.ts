// Answers DNS questions that arrive at an interface, and asks another server what it does not know yet:
// node dist/examples/xdp-dns-cache/xdp-dns-cache.js eth0 9.9.9.9
// A question that was asked before is answered in place, before the kernel's network stack sees it.
// Requires CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW. Linux 5.16; before 6.6 also CAP_PERFMON, to read packets. On older
// kernels it works with CAP_IPC_LOCK, because only 64 KiB may be locked by default.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { XdpSocket } from 'libbpf-node/xdp'

const [name, server, port = '53'] = process.argv.slice(2)
if (name === undefined || server === undefined)
  throw new Error('usage: xdp-dns-cache.js INTERFACE SERVER [PORT]')

/** Ethernet 14, IPv4 20 (options are left alone), UDP 8, DNS 12. */
const [ipAt, udpAt, dnsAt, headerSize] = [14, 34, 42, 12]
const seconds = 60
const largest = 1400

interface Answer {
  /** The message without its id. */
  message: Uint8Array
  until: number
}
const known = new Map<string, Answer>()
/** Packets that wait for the server, by the id of our own question. */
const waiting = new Map<number, { packet: Uint8Array; key: string }>()
const count = { known: 0, asked: 0 }

const upstream = createSocket('udp4')
upstream.connect(Number(port), server)
await once(upstream, 'connect')
using socket = await XdpSocket.open(name, {
  filter: { protocol: 'udp', port: 53 },
  frames: 1024,
  fillSize: 512,
})

/** The length of the only question's name, type and class; `undefined` if the packet is something else. */
function questionLength(view: DataView, at: number, length: number): number | undefined {
  // IPv4 without options, and a question: QR is 0, there is one, and no answers.
  if (length < dnsAt + headerSize + 5 || view.getUint8(at + ipAt) !== 0x45) return undefined
  if ((view.getUint16(at + dnsAt + 2) & 0xf800) !== 0 || view.getUint32(at + dnsAt + 4) !== 0x1_0000)
    return undefined
  let end = dnsAt + headerSize
  for (let label = 1; label > 0; end += label + 1) {
    if (end >= length) return undefined
    label = view.getUint8(at + end)
    if (label > 63) return undefined
    if (label === 0) return end + 5 <= length ? end + 5 - dnsAt - headerSize : undefined
  }
  return undefined
}

/** Turns a packet with a question into one with this answer. Returns its length. */
function answer(bytes: Uint8Array, at: number, message: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const swap = (first: number, second: number, size: number): void => {
    const kept = bytes.slice(at + first, at + first + size)
    bytes.copyWithin(at + first, at + second, at + second + size)
    bytes.set(kept, at + second)
  }
  swap(0, 6, 6)
  swap(ipAt + 12, ipAt + 16, 4)
  swap(udpAt, udpAt + 2, 2)
  bytes.set(message, at + dnsAt + 2)
  const udpLength = 8 + 2 + message.length
  view.setUint16(at + udpAt + 4, udpLength)
  // IPv4 allows UDP without a checksum.
  view.setUint16(at + udpAt + 6, 0)
  view.setUint16(at + ipAt + 2, 20 + udpLength)
  view.setUint8(at + ipAt + 8, 64)
  view.setUint16(at + ipAt + 10, 0)
  let sum = 0
  for (let i = 0; i < 20; i += 2) sum += view.getUint16(at + ipAt + i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  view.setUint16(at + ipAt + 10, ~sum & 0xffff)
  return udpAt + udpLength
}

/** Whether a message is complete, and says what there is (NOERROR) or that there is nothing (NXDOMAIN). */
function isAnswer(message: Buffer): boolean {
  const code = message.readUInt8(3) & 15
  return (code === 0 || code === 3) && (message.readUInt8(2) & 2) === 0
}

socket.drain((batch) => {
  const { view, bytes, offsets, lengths } = batch
  for (let i = 0; i < batch.length; i++) {
    const at = offsets[i]!
    const length = questionLength(view, at, lengths[i]!)
    if (length === undefined) continue
    const question = bytes.slice(at + dnsAt + headerSize, at + dnsAt + headerSize + length)
    const key = Buffer.from(question).toString('latin1').toLowerCase()
    const found = known.get(key)
    if (found !== undefined && found.until > Date.now()) {
      count.known++
      batch.send(i, answer(bytes, at, found.message))
      continue
    }
    count.asked++
    const id = count.asked & 0xffff
    waiting.set(id, { packet: bytes.slice(at, at + lengths[i]!), key })
    // RD, and one question without extensions: the answer then fits into 512 bytes.
    const header = Uint8Array.of(id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    upstream.send(Buffer.concat([header, question]))
  }
})

upstream.on('message', (message) => {
  if (message.length < headerSize || message.length > largest) return
  const id = message.readUInt16BE(0)
  const asked = waiting.get(id)
  if (asked === undefined) return
  waiting.delete(id)
  const content = Uint8Array.from(message.subarray(2))
  // A failure such as SERVFAIL may be over in a moment, and what was cut off (TC) is asked again by TCP.
  if (isAnswer(message)) known.set(asked.key, { message: content, until: Date.now() + seconds * 1000 })
  const packet = new Uint8Array(dnsAt + message.length)
  packet.set(asked.packet.subarray(0, dnsAt + 2))
  socket.send(packet.subarray(0, answer(packet, 0, content)))
})
// If nobody answers, the client asks again.
upstream.on('error', (error) => console.log(error.message))

console.log(`answering on ${name}, asking ${server}; press Ctrl-C to stop`)
const timer = setInterval(() => {
  console.log(`${count.known} answered from memory, ${count.asked} asked`)
  for (const [key, { until }] of known) if (until < Date.now()) known.delete(key)
  if (waiting.size > 1000) waiting.clear()
}, 500)
await once(process, 'SIGINT')
clearInterval(timer)
upstream.close()
