// Several servers on one UDP port, and each datagram goes to the one that it names: node dist/examples/reuseport/reuseport.js FD...
// Takes CAP_BPF. Linux 5.8. The descriptors are sockets with SO_REUSEPORT, as systemd hands them over (ReusePort=yes): 3, 4 and so on.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const fds = process.argv.slice(2).map(Number)

using obj = BpfObject.open(new URL('./reuseport.bpf.o', import.meta.url))
await obj.load()
// The first gets what begins with a, the second what begins with b.
const sockets = obj.map<number, bigint>('sockets')
for (const [i, fd] of fds.entries()) sockets.set('a'.charCodeAt(0) + i, BigInt(fd))
// No link: it goes with the sockets. It is that of the port, whichever of them it is given to.
obj.program('by_first_byte').attachReuseport(fds[0]!)

// Here in one process; each could have its own.
const servers = fds.map((fd, i) => {
  const server = createSocket('udp4', (datagram) => console.log(`server ${i} got '${datagram}'`))
  server.bind({ fd })
  return server
})
console.log(`port ${servers[0]!.address().port} has ${fds.length} servers; Ctrl-C ends`)

const timer = setInterval(() => console.log(`${obj.bss.given} given, ${obj.bss.refused} refused`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
for (const server of servers) server.close()
