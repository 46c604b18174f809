// Lets the answers of a server to clients in the same cgroup bypass TCP:
// node dist/examples/sk-msg/sk-msg.js /sys/fs/cgroup/GROUP PORT
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 5.8. Applies to new connections to PORT of 127.0.0.1.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const [cgroup, port] = process.argv.slice(2)
if (cgroup === undefined || port === undefined) throw new Error('usage: sk-msg.js CGROUP PORT')

using obj = BpfObject.open(new URL('./sk-msg.bpf.o', import.meta.url))
obj.rodata.port = Number(port)
await obj.load()
// The order matters: a socket gets the programs that its map has when the socket is added.
obj.program('hand_over').attachSockmap(obj.map('sockets'))
obj.program('established').attachCgroup(cgroup)
console.log(`${cgroup}: answers from port ${port} bypass TCP; press Ctrl-C to stop`)

const timer = setInterval(() => console.log(`${obj.bss.handed_over} bytes bypassed TCP`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
