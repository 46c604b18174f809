// Answers ARP and ping for an address that no machine has:
// node dist/examples/xdp-responder/xdp-responder.js eth0 10.0.0.77
// The kernel of this machine sees neither the questions nor the answers; other packets go on to it.
// Requires CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW. Linux 5.16; before 6.6 also CAP_PERFMON, to read packets. On older
// kernels it works with CAP_IPC_LOCK, because only 64 KiB may be locked by default.
import { once } from 'node:events'
import { isIPv4 } from 'node:net'
import { XdpSocket } from 'libbpf-node/xdp'

const [name, address] = process.argv.slice(2)
if (name === undefined || address === undefined) throw new Error('usage: xdp-responder.js INTERFACE ADDRESS')
if (!isIPv4(address)) throw new Error(`'${address}' is not an IPv4 address, such as 10.0.0.77`)
const ours = address.split('.').reduce((number, byte) => number * 256 + Number(byte), 0)
/** A locally administered MAC address of our own. */
const mac = [0x02, 0, 0, 0, 0, 0x77]

using socket = await XdpSocket.open(name, {
  filter: [{ etherType: 0x0806 }, { protocol: 'icmp' }],
  frames: 1024,
  fillSize: 512,
})
const answered = { arp: 0, ping: 0 }

socket.drain((batch) => {
  const { view, bytes, offsets, lengths } = batch
  for (let i = 0; i < batch.length; i++) {
    const at = offsets[i]!
    const length = lengths[i]!
    const type = view.getUint16(at + 12)
    if (
      type === 0x0806 &&
      length >= 42 &&
      view.getUint16(at + 20) === 1 &&
      view.getUint32(at + 38) === ours
    ) {
      answered.arp++
      view.setUint16(at + 20, 2)
      // The sender becomes the target, and we are the sender.
      bytes.copyWithin(at + 32, at + 22, at + 32)
      bytes.set(mac, at + 22)
      view.setUint32(at + 28, ours)
    } else if (
      type === 0x0800 &&
      length >= 42 &&
      view.getUint8(at + 14) === 0x45 &&
      view.getUint8(at + 34) === 8 &&
      view.getUint32(at + 30) === ours
    ) {
      answered.ping++
      view.setUint32(at + 30, view.getUint32(at + 26))
      view.setUint32(at + 26, ours)
      // From a request (8) to an answer (0): the sum that the checksum covers becomes 0x0800 less.
      view.setUint8(at + 34, 0)
      const sum = view.getUint16(at + 36) + 0x0800
      view.setUint16(at + 36, (sum & 0xffff) + (sum >> 16))
    } else continue
    bytes.copyWithin(at, at + 6, at + 12)
    bytes.set(mac, at + 6)
    batch.send(i)
  }
})

const mode = socket.redirect?.link.mode
console.log(`answering for ${address} on ${name}, ${mode} XDP; press Ctrl-C to stop`)
const timer = setInterval(() => console.log(`${answered.arp} ARP, ${answered.ping} pings`), 500)
await once(process, 'SIGINT')
clearInterval(timer)
