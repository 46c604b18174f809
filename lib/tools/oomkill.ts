import { readFileSync } from 'node:fs'
import { session } from '../trace/several.js'
import type { EventTool } from './tool.js'

interface Killed {
  readonly pid: number
  readonly comm: string
  readonly victim: number
}

export const tool: EventTool<Killed> = {
  summary: 'Processes that are killed because memory ran out',
  help: 'Prints which process is killed, and which one asked for memory.',
  isOfProcess: false,
  columns: [
    ['KILLED', 8, ({ victim }) => victim],
    ['COMM', 16, ({ victim }) => nameOf(victim)],
    ['WANTED BY', 9, ({ pid }) => pid],
    ['COMM', 0, ({ comm }) => comm],
  ],
  open: () =>
    session({}, [
      ['tracepoint:oom:mark_victim', (r): Killed => ({ pid: r.pid, comm: r.comm, victim: r.args.pid! })],
    ]),
}

/** The process is still there, because the kernel kills it after this. */
function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return '?'
  }
}
