// Runs an echo server whose echo comes from the kernel: node dist/examples/sockmap/sockmap.js [port]
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 5.10. The first bytes of a connection may arrive before its socket is
// in the map.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { BpfObject } from 'libbpf-node'

// Node.js has no public way to get the descriptor of a socket.
process.noDeprecation = true
const fdOf = (socket: Socket) => (socket as unknown as { _handle: { fd: number } })._handle.fd

using obj = BpfObject.open(new URL('./sockmap.bpf.o', import.meta.url))
await obj.load()
const sockets = obj.map<number, bigint>('sockets')
using _link = obj.program('echo').attachSockmap(sockets)

const server = createServer((socket) => {
  // From now on the kernel answers. A socket that is closed leaves the map by itself.
  sockets.set(socket.remotePort!, BigInt(fdOf(socket)))
  socket.on('data', (early) => socket.write(early))
  socket.on('error', () => socket.destroy())
})
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1')
await once(server, 'listening')
console.log(`echo on port ${(server.address() as AddressInfo).port}; press Ctrl-C to stop`)

const timer = setInterval(() => console.log(`${obj.bss.echoed} bytes echoed`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
server.close()
process.exit()
