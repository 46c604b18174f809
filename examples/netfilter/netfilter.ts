// Drops UDP packets to a port, independently of iptables and nftables: node dist/examples/netfilter/netfilter.js PORT
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 6.4 with CONFIG_NETFILTER_BPF_LINK.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const [port] = process.argv.slice(2)
if (port === undefined) throw new Error('usage: netfilter.js PORT')

using obj = BpfObject.open(new URL('./netfilter.bpf.o', import.meta.url))
obj.rodata.port = Number(port)
await obj.load()
// Runs before the filters of nftables, which have priority 0. Each priority can be used once.
const link = obj.program('no_udp').attachNetfilter({ family: 'ipv4', hook: 'input', priority: -10 })
console.log(`dropping UDP to port ${port} with link ${link.info().id}; press Ctrl-C to stop`)

const timer = setInterval(() => console.log(`${obj.bss.accepted} accepted, ${obj.bss.dropped} dropped`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
