// A UDP server whose datagrams are sorted in the kernel, by programs that can be added and taken away: node dist/examples/tail-calls/tail-calls.js [port]
// Takes CAP_BPF. Linux 5.8.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { BpfObject, type Program } from 'libbpf-node'

const socket = createSocket('udp4', (datagram) => console.log(`got '${datagram}'`))
socket.bind(Number(process.argv[2] ?? 0), '127.0.0.1')
await once(socket, 'listening')
// Node.js has no other way to tell the descriptor of a socket for datagrams.
const state = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol')!
const { fd } = (socket as unknown as Record<symbol, { handle: { fd: number } }>)[state]!.handle

using obj = BpfObject.open(new URL('./tail-calls.bpf.o', import.meta.url))
await obj.load()
const handlers = obj.map<number, number, Program>('handlers')
handlers.set('h'.charCodeAt(0), obj.program('greeting'))
handlers.set('o'.charCodeAt(0), obj.program('order'))
// No link: it goes with the socket.
obj.program('dispatch').attachSocket(fd)
console.log(`port ${socket.address().port} takes what begins with h or o; Ctrl-C ends`)

const report = () =>
  console.log(`${obj.bss.greetings} hellos, ${obj.bss.orders} orders, ${obj.bss.refused} refused`)
const timer = setInterval(report, 1000)
await once(process, 'SIGINT')
clearInterval(timer)
socket.close()
