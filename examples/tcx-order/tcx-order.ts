// DNS queries that leave by an interface, seen by two programs in order: node dist/examples/tcx-order/tcx-order.js eth0 [port]
// Takes CAP_BPF and CAP_NET_ADMIN. Linux 6.6.
import { once } from 'node:events'
import { BpfObject, queryTcx } from 'libbpf-node'

const [name = 'lo', port = '53'] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./tcx-order.bpf.o', import.meta.url))
obj.rodata.port = Number(port)
await obj.load()

// Who counts is there first, and who marks gets in before it: nobody has to know the whole list.
const counter = obj.program('count').attachTcx(name)
obj.program('mark').attachTcx(name, { anchor: { before: counter } })

const { programs, revision } = queryTcx(name, 'egress')
console.log(
  `egress of ${name}, revision ${revision}: programs ${programs.map((p) => p.programId).join(', ')}; Ctrl-C ends`,
)

const timer = setInterval(() => console.log(`${obj.bss.marked} packets to port ${port}`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
