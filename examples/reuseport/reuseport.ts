// Runs several servers on one UDP port; each datagram names the server that gets it:
// node dist/examples/reuseport/reuseport.js FD...
// Requires CAP_BPF. Linux 5.8. The descriptors are sockets with SO_REUSEPORT, as systemd passes them on
// (ReusePort=yes): 3, 4 and so on.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const fds = process.argv.slice(2).map(Number)

using obj = BpfObject.open(new URL('./reuseport.bpf.o', import.meta.url))
await obj.load()
// The first server gets datagrams that begin with 'a', the second those that begin with 'b'.
const sockets = obj.map<number, bigint>('sockets')
for (const [i, fd] of fds.entries()) sockets.set('a'.charCodeAt(0) + i, BigInt(fd))
// There is no link: the program belongs to the port and goes away with its sockets.
obj.program('by_first_byte').attachReuseport(fds[0]!)

// All servers run in this process; each could have its own.
const servers = fds.map((fd, i) => {
  const server = createSocket('udp4', (datagram) => console.log(`server ${i} got '${datagram}'`))
  server.bind({ fd })
  return server
})
console.log(`port ${servers[0]!.address().port} has ${fds.length} servers; press Ctrl-C to stop`)

const timer = setInterval(() => console.log(`${obj.bss.given} dispatched, ${obj.bss.refused} refused`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
for (const server of servers) server.close()
