// A container that can send to one address only, whatever it is root of: node dist/examples/netkit/netkit.js nk0 10.0.0.1
// Takes CAP_BPF and CAP_NET_ADMIN. Linux 6.7 with CONFIG_NETKIT.
import { once } from 'node:events'
import { BpfObject, queryNetkit } from 'libbpf-node'

const [name = 'nk0', address = '127.0.0.1'] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./netkit.bpf.o', import.meta.url))
obj.rodata.allowed = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
await obj.load()

// The device is here, its peer in the container, which cannot take the program off.
obj.program('leave').attachNetkit(name)
const { programs } = queryNetkit(name, 'peer')
console.log(`peer of ${name}: to ${address} only; ${programs.length} program(s) decide; Ctrl-C ends`)

const timer = setInterval(() => console.log(`${obj.bss.sent} sent, ${obj.bss.dropped} dropped`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
