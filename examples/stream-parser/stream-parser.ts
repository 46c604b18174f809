// Runs a server that is only woken for complete records:
// node dist/examples/stream-parser/stream-parser.js [record size in bytes] [port]
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 5.16.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { BpfObject } from 'libbpf-node'

// Node.js has no public way to get the descriptor of a socket.
process.noDeprecation = true
const fdOf = (socket: Socket) => (socket as unknown as { _handle: { fd: number } })._handle.fd
const [size = '16', port = '0'] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./stream-parser.bpf.o', import.meta.url))
obj.rodata.size = Number(size)
await obj.load()
const sockets = obj.map<number, bigint>('sockets')
obj.program('how_long').attachSockmap(sockets)
obj.program('whole').attachSockmap(sockets)

const server = createServer((socket) => {
  // The client's port is unique, so it is the key. A socket that is closed leaves the map by itself.
  sockets.set(socket.remotePort!, BigInt(fdOf(socket)))
  socket.on('data', (data) => console.log(`${data.length / Number(size)} complete records: ${data}`))
  socket.on('error', () => socket.destroy())
  // The client must not send before this, because its socket is not in the map yet.
  socket.write('go ahead\n')
})
server.listen(Number(port), '127.0.0.1')
await once(server, 'listening')
console.log(`port ${(server.address() as AddressInfo).port} accepts records; press Ctrl-C to stop`)

const timer = setInterval(() => console.log(`${obj.bss.records} records`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
process.exit()
