// Sends all packets between two hosts to the same CPU if the kernel distributes packets by flow (RPS):
// node dist/examples/flow-dissector/flow-dissector.js /run/netns/NAME
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 5.8. The initial network namespace accepts a program only while no other
// namespace has one.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const [netns] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./flow-dissector.bpf.o', import.meta.url))
await obj.load()
obj.program('by_address').attachNetns(netns)
console.log(`flows in ${netns ?? 'this network namespace'} are pairs of addresses; press Ctrl-C to stop`)

const timer = setInterval(() => console.log(`${obj.bss.dissected} packets`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
