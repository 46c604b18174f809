// Shows how long tasks wait for a CPU: node dist/examples/tp-btf/tp-btf.js [seconds]
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8 with BTF.
import { setTimeout as sleep } from 'node:timers/promises'
import { BpfObject } from 'libbpf-node'

const seconds = Number(process.argv[2] ?? 3)

using obj = BpfObject.open<{ bss: { slots: bigint[] } }>(new URL('./tp-btf.bpf.o', import.meta.url))
await obj.load()
obj.attach()
console.log(`watching for ${seconds} s`)
await sleep(seconds * 1000)

const slots = obj.bss.slots.map(Number)
const most = Math.max(...slots)
for (const [slot, count] of slots.entries()) {
  if (count === 0) continue
  const bar = '#'.repeat(Math.ceil((40 * count) / most))
  console.log(`< ${String(2 ** slot).padStart(8)} us ${String(count).padStart(8)}  ${bar}`)
}
