// Lets a container send to one address only, even if it has root privileges inside:
// node dist/examples/netkit/netkit.js nk0 10.0.0.1
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 6.7 with CONFIG_NETKIT.
import { once } from 'node:events'
import { BpfObject, queryNetkit } from 'libbpf-node'

const [name = 'nk0', address = '127.0.0.1'] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./netkit.bpf.o', import.meta.url))
obj.rodata.allowed = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
await obj.load()

// The device is on our side and its peer in the container, which cannot detach the program.
obj.program('leave').attachNetkit(name)
const { programs } = queryNetkit(name, 'peer')
console.log(
  `peer of ${name}: only ${address} is allowed, checked by ${programs.length} program(s); press Ctrl-C to stop`,
)

const timer = setInterval(() => console.log(`${obj.bss.sent} sent, ${obj.bss.dropped} dropped`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
