// Reports files that processes fail to open, and the errors: node dist/examples/fexit/fexit.js
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8 with BTF, for arm64 6.4, and not hardened.
import { getSystemErrorName } from 'node:util'
import { BpfObject } from 'libbpf-node'

interface Failure {
  pid: number
  comm: string
  error: bigint
  path: string
}

using obj = BpfObject.open(new URL('./fexit.bpf.o', import.meta.url))
// The second name is that of newer kernels, such as 7.2.
const name = obj.program('on_opened').setAttachTarget(['do_filp_open', 'do_file_open'])
await obj.load()
// A kprobe sees the arguments and a kretprobe the result; this program sees both.
obj.program('on_opened').attachTracing()
console.log(`watching ${name}; press Ctrl-C to stop`)

for await (const { pid, comm, error, path } of obj.ringBuffer<Failure>('failures', 'failure')) {
  console.log(`${comm} (${pid}): ${getSystemErrorName(Number(error))} ${path}`)
}
