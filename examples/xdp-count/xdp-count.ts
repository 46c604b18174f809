// Counts the packets that arrive at an interface by protocol, every second:
// node dist/examples/xdp-count/xdp-count.js eth0
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 5.8; before 6.6 also CAP_PERFMON, to read packets.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const names: Record<number, string> = { 2048: 'IPv4', 2054: 'ARP', 34525: 'IPv6' }
const [name = 'lo'] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./xdp-count.bpf.o', import.meta.url))
await obj.load()
// The driver runs the program if it can; otherwise the kernel does, which is slower but works everywhere.
const link = obj.program('count').attachXdp(name)
console.log(`counting packets on ${name}, ${link.mode} XDP; press Ctrl-C to stop`)

const frames = obj.map<number, bigint[]>('frames')
const timer = setInterval(() => {
  for (const [protocol, perCpu] of frames) {
    const total = perCpu.reduce((sum, count) => sum + count, 0n)
    console.log(`${names[protocol] ?? `0x${protocol.toString(16)}`}: ${total}`)
  }
}, 1000)

await once(process, 'SIGINT')
clearInterval(timer)
