// Reports outgoing TCP connections, with a probe in a kernel function: node dist/examples/kprobe/kprobe.js
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8 with kprobes.
import { BpfObject } from 'libbpf-node'

interface Connection {
  pid: number
  comm: string
  address: Uint8Array
  port: number
}

using obj = BpfObject.open(new URL('./kprobe.bpf.o', import.meta.url))
await obj.load()

// Kernel functions differ between versions and compilers: the first name that exists is used.
const link = obj.program('on_connect').attachKprobe(['tcp_v4_connect', '__tcp_v4_connect'])
console.log(`watching ${link.target}; press Ctrl-C to stop`)

for await (const { pid, comm, address, port } of obj.ringBuffer<Connection>('connections', 'connection')) {
  console.log(`${comm} (${pid}) connects to ${address.join('.')}:${((port & 255) << 8) | (port >> 8)}`)
}
