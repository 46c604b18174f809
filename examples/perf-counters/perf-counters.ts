// Counts the instructions per cycle of each process: node dist/examples/perf-counters/perf-counters.js [seconds]
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8, on a CPU with hardware counters, which virtual machines often lack.
import { setTimeout as sleep } from 'node:timers/promises'
import { BpfError, BpfObject } from 'libbpf-node'

interface Counts {
  comm: string
  cycles: bigint
  instructions: bigint
}

const seconds = Number(process.argv[2] ?? 3)

await using obj = BpfObject.open(new URL('./perf-counters.bpf.o', import.meta.url))
await obj.load()
try {
  obj.program('on_cycles').attachPerfEventOnCpus({ event: 'cpu-cycles', period: 1_000_000 })
  obj.program('on_instructions').attachPerfEventOnCpus({ event: 'instructions', period: 1_000_000 })
} catch (error) {
  if (!(error instanceof BpfError)) throw error
  console.error(error.message)
  process.exit(1)
}
console.log(`counting for ${seconds} s`)
await sleep(seconds * 1000)

const processes = [...obj.map<number, Counts>('processes')].sort(([, a], [, b]) =>
  Number(b.cycles - a.cycles),
)
for (const [pid, { comm, cycles, instructions }] of processes.slice(0, 15)) {
  const each = cycles === 0n ? '' : (Number(instructions) / Number(cycles)).toFixed(2)
  console.log(
    `${String(cycles).padStart(8)} million cycles, ${each.padStart(5)} instructions per cycle  ${comm} (${pid})`,
  )
}
