// Measures how long the C library takes to look up a host name: node dist/examples/uretprobe/uretprobe.js [pid]
// Requires CAP_SYS_ADMIN. Linux 5.8. CAP_BPF and CAP_PERFMON are enough for attachUprobeMulti, and before Linux 6.16
// (or its backports to older kernels).
import { BpfObject } from 'libbpf-node'

interface Lookup {
  pid: number
  comm: string
  host: string
  took_ns: bigint
  result: number
}

const [pid] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./uretprobe.bpf.o', import.meta.url))
await obj.load()

const where = { symbol: 'getaddrinfo', ...(pid === undefined ? {} : { pid: Number(pid) }) }
obj.program('on_call').attachUprobe('libc.so.6', where)
const link = obj.program('on_return').attachUprobe('libc.so.6', { ...where, retprobe: true })
console.log(`watching ${link.target}; press Ctrl-C to stop`)

for await (const { pid, comm, host, took_ns, result } of obj.ringBuffer<Lookup>('lookups', 'lookup')) {
  const found = result === 0 ? 'found' : `not found (error ${result})`
  console.log(`${comm} (${pid}): ${host} ${found} after ${(Number(took_ns) / 1e6).toFixed(1)} ms`)
}
