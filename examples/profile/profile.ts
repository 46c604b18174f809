// Shows which programs keep the CPUs busy: node dist/examples/profile/profile.js [seconds]
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8.
import { setTimeout as sleep } from 'node:timers/promises'
import { BpfObject } from 'libbpf-node'

const seconds = Number(process.argv[2] ?? 3)

await using obj = BpfObject.open(new URL('./profile.bpf.o', import.meta.url))
await obj.load()
// 99 Hz instead of 100 Hz, to stay out of step with timers.
const links = obj.program('on_tick').attachPerfEventOnCpus({ event: 'cpu-clock', frequency: 99 })
console.log(`sampling ${links.length} CPUs for ${seconds} s`)
await sleep(seconds * 1000)

const samples = [...obj.map<{ name: string }, bigint>('samples')].sort((a, b) => Number(b[1] - a[1]))
const total = samples.reduce((sum, [, count]) => sum + count, 0n)
for (const [{ name }, count] of samples.slice(0, 15)) {
  console.log(`${((100 * Number(count)) / Number(total)).toFixed(1).padStart(5)} %  ${name}`)
}
