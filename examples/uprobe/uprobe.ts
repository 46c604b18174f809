// Reports host names that processes look up with the C library: node dist/examples/uprobe/uprobe.js [pid]
// Requires CAP_SYS_ADMIN. Linux 5.8. CAP_BPF and CAP_PERFMON are enough for attachUprobeMulti, and before Linux 6.16
// (or its backports to older kernels).
import { BpfObject } from 'libbpf-node'

interface Lookup {
  pid: number
  comm: string
  host: string
}

const [pid] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./uprobe.bpf.o', import.meta.url))
await obj.load()

// The library is found by its name; with a pid, it is the one that the process uses, even in a container.
const options = pid === undefined ? {} : { pid: Number(pid) }
const link = obj.program('on_getaddrinfo').attachUprobe('libc.so.6', { symbol: 'getaddrinfo', ...options })
console.log(`watching ${link.target}; press Ctrl-C to stop`)

for await (const { pid, comm, host } of obj.ringBuffer<Lookup>('lookups', 'lookup')) {
  console.log(`${comm} (${pid}) looks up ${host}`)
}
