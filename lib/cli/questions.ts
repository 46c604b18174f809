// What the commands that ask the kernel a question have in common: their options, and how an answer is shown.
import { setTimeout as sleep } from 'node:timers/promises'
import { jsonReplacer } from '../btf/json.js'
import { describeKey } from '../trace/aggregate.js'
import { say, UsageError, visible } from './command.js'
import { print, toJson } from './output.js'
import { Screen } from './screen.js'

export const questionOptions = {
  by: { type: 'string', short: 'b' },
  filter: { type: 'string', short: 'f' },
  value: { type: 'string' },
  key: { type: 'string', short: 'k' },
  unit: { type: 'string' },
  min: { type: 'string' },
  max: { type: 'string' },
  step: { type: 'string' },
  top: { type: 'string' },
  pid: { type: 'string', short: 'p' },
  seconds: { type: 'string', short: 's' },
  interval: { type: 'string', short: 'i' },
  json: { type: 'boolean' },
} as const

export const questionHelp = `  -b, --by EXPRESSION       one answer for each value of it: comm, or several: comm,pid
  -f, --filter EXPRESSION   only what it is true for: 'pid === 1'
  -p, --pid PID             only this process
  -s, --seconds SECONDS     stop after this time; otherwise Ctrl-C stops
  -i, --interval SECONDS    show an answer that often; without a terminal, only one at the end is the default
      --json                print JSON

EXPRESSION is TypeScript that runs in the kernel. It can use comm, pid, tid, uid, gid, cpu, nsecs, cgroup, task, rand,
probe, args.NAME, arg0 to arg5, retval, and str(ADDRESS) and kstr(ADDRESS) for text. PROBE is named as in bpftrace:
tracepoint:CATEGORY:NAME, rawtracepoint:NAME, kprobe:FUNCTION, kretprobe:FUNCTION, fentry:FUNCTION, fexit:FUNCTION,
uprobe:FILE:FUNCTION, uretprobe:FILE:FUNCTION, usdt:FILE:PROVIDER:NAME, profile:hz:99, interval:s:1, with wildcards, or
several with commas.

Requires root, and the kernel's BTF.
`

export function numberOf(name: string, text: string | undefined, smallest: number): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (!(number >= smallest) || !Number.isFinite(number)) {
    throw new UsageError(`--${name} ${text}: expected a number of at least ${smallest}`)
  }
  return number
}

export function pidOf(text: string | undefined): { pid?: number } {
  if (text === undefined) return {}
  const pid = Number(text)
  if (!Number.isInteger(pid) || pid <= 0) throw new UsageError(`--pid ${text}: expected the id of a process`)
  return { pid }
}

/** Says how much is missing from an answer. */
export function sayLost(command: string, lost: number): void {
  if (lost > 0) say(`libbpf-node ${command}: ${lost} hits are missing: there were more keys than fit`)
}

/** An abort signal that Ctrl-C, or the time that is over, aborts. */
function stopSignal(seconds: number | undefined): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  if (seconds !== undefined) setTimeout(() => stop.abort(), seconds * 1000).unref()
  return stop.signal
}

interface Answer {
  toString(): string
  toJSON(): unknown
}

export interface ShowOptions {
  readonly seconds: number | undefined
  readonly interval: number | undefined
  readonly json: boolean | undefined
}

/**
 * Shows events as they happen, until it is stopped.
 *
 * @param session - says how many were lost
 */
export async function follow<T>(
  command: string,
  seconds: number | undefined,
  session: { readonly lost: number },
  events: { on(listener: (event: T) => void): void },
  write: (event: T) => void,
): Promise<void> {
  const signal = stopSignal(seconds)
  const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  events.on(write)
  if (!signal.aborted) await stopped
  if (session.lost > 0)
    say(`libbpf-node ${command}: ${session.lost} events were lost because the buffer was full`)
}

/** Prints an event: its values with commas between them, or JSON. */
export const printEvent =
  (json: boolean | undefined) =>
  (event: unknown): void =>
    print(json ? `${toJson(event)}\n` : `${visible(describeKey(event))}\n`)

/** Shows an answer: live on a terminal, and once at the end otherwise. */
export async function show(answer: Answer, { seconds, interval, json }: ShowOptions): Promise<void> {
  const signal = stopSignal(seconds)
  const isLive = process.stdout.isTTY === true && !json
  const every = interval ?? (isLive ? 1 : undefined)
  const write = (): void =>
    print(json ? `${JSON.stringify(answer, jsonReplacer)}\n` : `${String(answer) || 'nothing yet'}\n`)
  const screen = isLive ? new Screen(signal) : undefined
  try {
    while (!signal.aborted) {
      // A timer of more than 24 days would fire at once.
      await sleep(Math.min((every ?? 86_400) * 1000, 2 ** 31 - 1), undefined, { signal }).catch(() => {})
      if (signal.aborted || every === undefined) continue
      if (screen === undefined) write()
      else screen.draw(String(answer) || 'nothing yet')
    }
  } finally {
    screen?.close()
  }
  if (screen !== undefined || every === undefined) write()
}
