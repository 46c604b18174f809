// Lists the processes of this machine, the largest first: node dist/examples/iter/iter.js
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8 with BTF.
import { BpfObject } from 'libbpf-node'

interface Process {
  pid: number
  parent: number
  started_ns: bigint
  pages: bigint
  comm: string
}

using obj = BpfObject.open(new URL('./iter.bpf.o', import.meta.url))
await obj.load()
using link = obj.program('processes').attachIter()

// Reading from the link runs the program once for each task.
const processes: Process[] = []
for await (const process of link.records(obj.codec<Process>('process'))) processes.push(process)

processes.sort((a, b) => Number(b.pages - a.pages))
for (const { pid, parent, pages, comm } of processes.slice(0, 20)) {
  console.log(
    `${String(pid).padStart(8)} ${String(parent).padStart(8)} ${String(pages * 4n).padStart(10)} KiB  ${comm}`,
  )
}
