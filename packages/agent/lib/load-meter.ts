import type { RunningProgram } from './program.js'
import type { Load } from './shedding.js'

/**
 * Measures the resources that the agent and its BPF programs have used since the last call. How long BPF programs run
 * is only known while the kernel measures it.
 */
export function loadMeter(programs: () => Iterable<RunningProgram>): () => Load {
  let before = { at: 0, own: 0 }
  /** Nanoseconds by program id, because programs come and go. */
  let runs = new Map<number, bigint>()
  return () => {
    const { user, system } = process.cpuUsage()
    const now = { at: performance.now() * 1000, own: user + system }
    const found = new Map<number, bigint>()
    let kernel = 0n
    for (const { object } of programs()) {
      for (const program of object?.programs.values() ?? []) {
        if (!program.loaded) continue
        const { id, runTimeNs } = program.info()
        found.set(id, runTimeNs)
        kernel += runTimeNs - (runs.get(id) ?? 0n)
      }
    }
    const microseconds = now.own - before.own + Number(kernel) / 1000
    const cpu = microseconds / Math.max(1, now.at - before.at)
    before = now
    runs = found
    return { cpu, memory: process.memoryUsage.rss() }
  }
}
