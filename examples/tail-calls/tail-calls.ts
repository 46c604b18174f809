// A UDP server whose datagrams are dispatched in the kernel, to programs that can be added and removed at any time:
// node dist/examples/tail-calls/tail-calls.js [port]
// Requires CAP_BPF. Linux 5.8.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { BpfObject, type Program } from 'libbpf-node'

const socket = createSocket('udp4', (datagram) => console.log(`got '${datagram}'`))
socket.bind(Number(process.argv[2] ?? 0), '127.0.0.1')
await once(socket, 'listening')
// Node.js has no public way to get the descriptor of a datagram socket.
const state = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol')!
const { fd } = (socket as unknown as Record<symbol, { handle: { fd: number } }>)[state]!.handle

using obj = BpfObject.open(new URL('./tail-calls.bpf.o', import.meta.url))
await obj.load()
const handlers = obj.map<number, number, Program>('handlers')
handlers.set('h'.charCodeAt(0), obj.program('greeting'))
handlers.set('o'.charCodeAt(0), obj.program('order'))
// There is no link: the program goes away with the socket.
obj.program('dispatch').attachSocket(fd)
console.log(
  `port ${socket.address().port} accepts datagrams that begin with 'h' or 'o'; press Ctrl-C to stop`,
)

const report = () =>
  console.log(`${obj.bss.greetings} hellos, ${obj.bss.orders} orders, ${obj.bss.refused} refused`)
const timer = setInterval(report, 1000)
await once(process, 'SIGINT')
clearInterval(timer)
socket.close()
