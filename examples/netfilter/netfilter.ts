// No UDP to one port, beside iptables and nftables: node dist/examples/netfilter/netfilter.js PORT
// Takes CAP_BPF and CAP_NET_ADMIN. Linux 6.4 with CONFIG_NETFILTER_BPF_LINK.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const [port] = process.argv.slice(2)
if (port === undefined) throw new Error('usage: netfilter.js PORT')

using obj = BpfObject.open(new URL('./netfilter.bpf.o', import.meta.url))
obj.rodata.port = Number(port)
await obj.load()
// Before filters, which have priority 0. Each priority can be had once.
const link = obj.program('no_udp').attachNetfilter({ family: 'ipv4', hook: 'input', priority: -10 })
console.log(`no UDP to port ${port}, link ${link.info().id}; Ctrl-C ends`)

const timer = setInterval(() => console.log(`${obj.bss.accepted} accepted, ${obj.bss.dropped} dropped`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
