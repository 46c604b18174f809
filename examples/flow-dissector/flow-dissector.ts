// All that two hosts say to each other goes to one CPU, where packets are spread by flow (RPS): node dist/examples/flow-dissector/flow-dissector.js /run/netns/NAME
// Takes CAP_BPF and CAP_NET_ADMIN. Linux 5.8. The first network namespace takes one only while no other has one.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const [netns] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./flow-dissector.bpf.o', import.meta.url))
await obj.load()
obj.program('by_address').attachNetns(netns)
console.log(`flows of ${netns ?? 'this network namespace'} are pairs of addresses; Ctrl-C ends`)

const timer = setInterval(() => console.log(`${obj.bss.dissected} packets`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
