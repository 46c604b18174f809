// Writes the packets of an interface from or to a port to a file that Wireshark and tcpdump read, until Ctrl-C:
// node dist/examples/packets/packets.js eth0 53 dns.pcapng
// Requires CAP_BPF and CAP_NET_RAW. Linux 5.8.
import { createWriteStream } from 'node:fs'
import { BpfObject, type Packet, PacketSocket } from 'libbpf-node'

const [name = 'lo', port = '0', path = 'packets.pcapng'] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./packets.bpf.o', import.meta.url))
obj.rodata.port = Number(port)
await obj.load()
using socket = new PacketSocket(name, { filter: obj.program('by_port'), ringSize: 1 << 24 })

const file = createWriteStream(path)
file.write(header())
console.log(`writing packets of ${name} to ${path}; press Ctrl-C to stop`)
process.once('SIGINT', () => socket.stop())
const timer = setInterval(() => console.log(`${socket.received} packets, ${socket.lost} lost`), 1000)
for await (const packets of socket.batches()) {
  for (const packet of packets) file.write(block(packet))
}
clearInterval(timer)
await new Promise((resolve) => file.end(resolve))
console.log(`${socket.received} packets, ${socket.lost} lost`)

// ---- The format pcapng: blocks of a type and a length, the contents, and the length again

/** The block that begins a file, and the one that describes the interface. */
function header(): Buffer {
  const section = Buffer.alloc(28)
  for (const [i, value] of [0x0a0d0d0a, 28, 0x1a2b3c4d, 0x00000001, 0xffffffff, 0xffffffff, 28].entries())
    section.writeUInt32LE(value, 4 * i)
  const ethernet = Buffer.alloc(32)
  ethernet.writeUInt32LE(1, 0)
  ethernet.writeUInt32LE(32, 4)
  ethernet.writeUInt16LE(1, 8)
  // Times are in units of 10^-9 seconds.
  ethernet.writeUInt16LE(9, 16)
  ethernet.writeUInt16LE(1, 18)
  ethernet.writeUInt8(9, 20)
  ethernet.writeUInt32LE(32, 28)
  return Buffer.concat([section, ethernet])
}

/** An enhanced packet block. */
function block({ time, length, data }: Packet): Buffer {
  const size = 32 + ((data.length + 3) & ~3)
  const bytes = Buffer.alloc(size)
  const fields = [6, size, 0, Number(time >> 32n), Number(time & 0xffffffffn), data.length, length]
  for (const [i, value] of fields.entries()) bytes.writeUInt32LE(value, 4 * i)
  bytes.set(data, 28)
  bytes.writeUInt32LE(size, size - 4)
  return bytes
}
