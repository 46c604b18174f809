// Writes the packets that arrive at an interface to a file that Wireshark and tcpdump read:
// node dist/examples/xdp-record/xdp-record.js eth1 packets.pcapng
// The kernel of this machine does not see them. Use it on an interface at the mirror port of a switch.
// Requires CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW. Linux 5.16; before 6.6 also CAP_PERFMON, to read packets. On older
// kernels it works with CAP_IPC_LOCK, because only 64 KiB may be locked by default.
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { XdpSocket } from 'libbpf-node/xdp'

const [name, file] = process.argv.slice(2)
if (name === undefined || file === undefined) throw new Error('usage: xdp-record.js INTERFACE FILE')

/** A block of pcapng: its type and its length around a body that is filled up to a multiple of 4 bytes. */
function block(type: number, length: number): { bytes: Uint8Array; view: DataView } {
  const size = 12 + Math.ceil(length / 4) * 4
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type)
  view.setUint32(4, size)
  view.setUint32(size - 4, size)
  return { bytes, view }
}

/** The section: its byte order, version 1.0, and no length. */
function sectionBlock(): Uint8Array {
  const { bytes, view } = block(0x0a0d0d0a, 16)
  view.setUint32(8, 0x1a2b3c4d)
  view.setUint16(12, 1)
  view.setBigInt64(16, -1n)
  return bytes
}

/** The interface: Ethernet. Times are microseconds. */
function interfaceBlock(): Uint8Array {
  const { bytes, view } = block(1, 8)
  view.setUint16(8, 1)
  return bytes
}

function packetBlock(packet: Uint8Array, microseconds: bigint): Uint8Array {
  const { bytes, view } = block(6, 20 + packet.length)
  view.setBigUint64(12, microseconds)
  view.setUint32(20, packet.length)
  view.setUint32(24, packet.length)
  bytes.set(packet, 28)
  return bytes
}

using socket = await XdpSocket.open(name, { frames: 1024, fillSize: 512 })
const out = createWriteStream(file)
out.write(sectionBlock())
out.write(interfaceBlock())
let written = 0
console.log(`recording ${name}; press Ctrl-C to stop`)
const timer = setInterval(() => {
  const { rxRingFull, fillRingEmpty } = socket.stats
  console.log(`${written} packets, ${rxRingFull + fillRingEmpty} lost`)
}, 500)
process.once('SIGINT', () => socket.close())

for await (const packets of socket.batches()) {
  // They have arrived within the last milliseconds.
  const now = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000))
  const room = out.write(Buffer.concat(packets.map((packet) => packetBlock(packet, now))))
  written += packets.length
  // Meanwhile the kernel counts what it drops.
  if (!room) await once(out, 'drain')
}
clearInterval(timer)
out.end()
await once(out, 'finish')
