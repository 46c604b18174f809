// Processes and threads that begin, by fentry or else a kprobe: node dist/examples/fentry/fentry.js
// Takes CAP_BPF and CAP_PERFMON. Linux 5.8 with BTF, or with kprobes.
import { BpfObject } from 'libbpf-node'

interface Birth {
  pid: number
  tid: number
  parent: number
  comm: string
}

using obj = BpfObject.open(new URL('./fentry.bpf.o', import.meta.url))
// Kernels that are hardened, or for arm64 before 6.4, have no fentry: there the second is loaded, and the first is not.
const { name, section } = obj.choose('by_fentry', 'by_kprobe')
await obj.load()
obj.attach()
console.log(`watching ${name}, SEC("${section}"); Ctrl-C ends`)

for await (const { pid, tid, parent, comm } of obj.ringBuffer<Birth>('births', 'birth')) {
  console.log(`${comm} (${parent}) begins ${pid === tid ? `process ${pid}` : `thread ${tid} of ${pid}`}`)
}
