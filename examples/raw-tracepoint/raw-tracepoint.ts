// Reports signals that processes send to each other: node dist/examples/raw-tracepoint/raw-tracepoint.js
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8 with BTF.
import { constants } from 'node:os'
import { BpfObject } from 'libbpf-node'

interface Signal {
  number: number
  pid: number
  comm: string
  sender: number
  sender_comm: string
}

const names = new Map<number, string>()
for (const [name, number] of Object.entries(constants.signals)) {
  if (!names.has(number)) names.set(number, name)
}

using obj = BpfObject.open(new URL('./raw-tracepoint.bpf.o', import.meta.url))
await obj.load()
// Unlike other tracepoints, it needs only a name, neither tracefs nor a perf event.
obj.program('on_signal').attachRawTracepoint('signal_generate')
console.log('watching; press Ctrl-C to stop')

for await (const { number, pid, comm, sender, sender_comm } of obj.ringBuffer<Signal>('signals', 'signal')) {
  console.log(`${sender_comm} (${sender}) sends ${names.get(number) ?? number} to ${comm} (${pid})`)
}
