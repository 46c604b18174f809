// Serves a range of ports with one server: node dist/examples/sk-lookup/sk-lookup.js 7000 7999
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 5.9.
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { BpfObject } from 'libbpf-node'

// Node.js has no public way to get the descriptor of a socket.
process.noDeprecation = true
const fdOf = (server: Server) => (server as unknown as { _handle: { fd: number } })._handle.fd

const [first = '7000', last = '7999'] = process.argv.slice(2)
const server = createServer((socket) => socket.end(`this is port ${socket.localPort}\n`))
server.listen(0, '127.0.0.1')
await once(server, 'listening')

using obj = BpfObject.open(new URL('./sk-lookup.bpf.o', import.meta.url))
Object.assign(obj.rodata, { first_port: Number(first), last_port: Number(last) })
await obj.load()
obj.map<number, bigint>('server').set(0, BigInt(fdOf(server)))
using _link = obj.program('pick').attachNetns()
console.log(`TCP ports ${first} to ${last} of 127.0.0.1 are served; press Ctrl-C to stop`)

const timer = setInterval(() => console.log(`${obj.bss.served} connections`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
server.close()
