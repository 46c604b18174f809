// Counts DNS queries that leave through an interface, with two programs in a fixed order:
// node dist/examples/tcx-order/tcx-order.js eth0 [port]
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 6.6.
import { once } from 'node:events'
import { BpfObject, queryTcx } from 'libbpf-node'

const [name = 'lo', port = '53'] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./tcx-order.bpf.o', import.meta.url))
obj.rodata.port = Number(port)
await obj.load()

// The program that counts is attached first, and the one that marks is inserted before it.
const counter = obj.program('count').attachTcx(name)
obj.program('mark').attachTcx(name, { anchor: { before: counter } })

const { programs, revision } = queryTcx(name, 'egress')
const ids = programs.map(({ programId }) => programId).join(', ')
console.log(`egress on ${name}, revision ${revision}: programs ${ids}; press Ctrl-C to stop`)

const timer = setInterval(() => console.log(`${obj.bss.marked} packets to port ${port}`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
