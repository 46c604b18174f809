// Reports accepted TCP connections (IPv4), from what a kernel function returns:
// node dist/examples/kretprobe/kretprobe.js
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8 with kprobes.
import { BpfObject } from 'libbpf-node'

interface Connection {
  pid: number
  comm: string
  from: Uint8Array
  port: number
}

using obj = BpfObject.open(new URL('./kretprobe.bpf.o', import.meta.url))
await obj.load()
const link = obj.program('on_accepted').attachKprobe('inet_csk_accept', { retprobe: true })
console.log(`watching ${link.target}; press Ctrl-C to stop`)

for await (const { pid, comm, from, port } of obj.ringBuffer<Connection>('connections', 'connection')) {
  console.log(`${comm} (${pid}) accepts a connection from ${from.join('.')} to port ${port}`)
}
