// What a server of a cgroup answers to clients of the cgroup skips TCP: node dist/examples/sk-msg/sk-msg.js /sys/fs/cgroup/GROUP PORT
// Takes CAP_BPF and CAP_NET_ADMIN. Linux 5.8. For connections to PORT of 127.0.0.1 that begin from now on.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const [cgroup, port] = process.argv.slice(2)
if (cgroup === undefined || port === undefined) throw new Error('usage: sk-msg.js CGROUP PORT')

using obj = BpfObject.open(new URL('./sk-msg.bpf.o', import.meta.url))
obj.rodata.port = Number(port)
await obj.load()
// In this order: a socket gets the programs that its map has when it comes into the map.
obj.program('hand_over').attachSockmap(obj.map('sockets'))
obj.program('established').attachCgroup(cgroup)
console.log(`${cgroup}: answers of port ${port} skip TCP; Ctrl-C ends`)

const timer = setInterval(() => console.log(`${obj.bss.handed_over} bytes handed over`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
