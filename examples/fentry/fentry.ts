// Reports new processes and threads, with fentry or, if the kernel has none, with a kprobe:
// node dist/examples/fentry/fentry.js
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8 with BTF, or with kprobes.
import { BpfObject } from 'libbpf-node'

interface Birth {
  pid: number
  tid: number
  parent: number
  comm: string
}

using obj = BpfObject.open(new URL('./fentry.bpf.o', import.meta.url))
// Hardened kernels, and kernels for arm64 before 6.4, have no fentry: they load the second program instead.
const { name, section } = obj.choose('by_fentry', 'by_kprobe')
await obj.load()
obj.attach()
console.log(`watching ${name}, SEC("${section}"); press Ctrl-C to stop`)

for await (const { pid, tid, parent, comm } of obj.ringBuffer<Birth>('births', 'birth')) {
  console.log(`${comm} (${parent}) starts ${pid === tid ? `process ${pid}` : `thread ${tid} of ${pid}`}`)
}
