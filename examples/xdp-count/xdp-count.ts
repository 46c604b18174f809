// What comes to an interface, each second: node dist/examples/xdp-count/xdp-count.js eth0
// Takes CAP_BPF and CAP_NET_ADMIN. Linux 5.8; before 6.6 with CAP_PERFMON, too, to look into frames.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const names: Record<number, string> = { 2048: 'IPv4', 2054: 'ARP', 34525: 'IPv6' }
const [name = 'lo'] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./xdp-count.bpf.o', import.meta.url))
await obj.load()
// The driver runs it where it can, and else the kernel: slower, but everywhere.
const link = obj.program('count').attachXdp(name)
console.log(`counting frames on ${name}, ${link.mode} XDP; Ctrl-C ends`)

const frames = obj.map<number, bigint[]>('frames')
const timer = setInterval(() => {
  for (const [protocol, perCpu] of frames) {
    const total = perCpu.reduce((sum, count) => sum + count, 0n)
    console.log(`${names[protocol] ?? `0x${protocol.toString(16)}`}: ${total}`)
  }
}, 1000)

await once(process, 'SIGINT')
clearInterval(timer)
