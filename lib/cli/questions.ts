// What the commands that ask the kernel a question have in common: their options, and how an answer is shown.
import { setTimeout as sleep } from 'node:timers/promises'
import { jsonReplacer } from '../btf/json.js'
import { type PictureStyle, styleOf } from '../pictures/style.js'
import { describeKey } from '../trace/aggregate.js'
import { say, UsageError, visible } from './command.js'
import { HeldCommand } from './held-command.js'
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
  'max-keys': { type: 'string' },
  pid: { type: 'string', short: 'p' },
  command: { type: 'string', short: 'c' },
  seconds: { type: 'string', short: 's' },
  interval: { type: 'string', short: 'i' },
  clear: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

/** The values of {@link questionOptions}. */
export interface QuestionValues {
  readonly by?: string | undefined
  readonly filter?: string | undefined
  readonly pid?: string | undefined
  readonly command?: string | undefined
  readonly top?: string | undefined
  readonly 'max-keys'?: string | undefined
  readonly seconds?: string | undefined
  readonly interval?: string | undefined
  readonly clear?: boolean | undefined
  readonly json?: boolean | undefined
}

export const questionHelp = `  -b, --by EXPRESSION       a separate answer for each value of EXPRESSION: comm, or several: comm,pid
  -f, --filter EXPRESSION   only hits for which EXPRESSION is true: 'pid === 1'
  -p, --pid PID             only this process
  -c, --command COMMAND     run this program, only look at its process, and stop when it ends
  -s, --seconds SECONDS     stop after this time; otherwise Ctrl-C stops
  -i, --interval SECONDS    show an answer at this interval; without a terminal, the default is one answer at the end
      --clear               with --interval: start again after each answer
      --top N               only the first N keys
      --max-keys N          room for N different keys; 10,240 by default, and 65,536 for stacks
      --json                print JSON

EXPRESSION is TypeScript that runs in the kernel. It can use comm, pid, tid, uid, gid, cpu, nsecs, elapsed, cgroup,
task, rand, probe, args.NAME, arg0 to arg5, retval, str(ADDRESS) and kstr(ADDRESS) for text, ksym(ADDRESS) and
usym(ADDRESS) for the names of functions, and reg('ip') for registers. PROBE is named as in
bpftrace: tracepoint:CATEGORY:NAME, rawtracepoint:NAME, kprobe:FUNCTION, kretprobe:FUNCTION, fentry:FUNCTION,
fexit:FUNCTION, uprobe:FILE:FUNCTION, uretprobe:FILE:FUNCTION, usdt:FILE:PROVIDER:NAME, profile:hz:99, interval:s:1,
software:EVENT:COUNT, hardware:EVENT:COUNT, watchpoint:ADDRESS:8:w, iter:task, with wildcards, or several with commas. 'libbpf-node hooks' lists them.

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

/** A number of things that there is room for. */
export function countOf(name: string, text: string | undefined): number | undefined {
  const number = numberOf(name, text, 1)
  if (number === undefined) return undefined
  if (!Number.isInteger(number) || number > 2 ** 24)
    throw new UsageError(`--${name} ${text}: expected a whole number up to ${2 ** 24}`)
  return number
}

export function pidOf(text: string | undefined): { pid?: number } {
  if (text === undefined) return {}
  const pid = Number(text)
  if (!Number.isInteger(pid) || pid <= 0) throw new UsageError(`--pid ${text}: expected the id of a process`)
  return { pid }
}

/**
 * What all questions share: which process they are about, and when they end. With --command, the program has been
 * started, and waits.
 */
export async function askedOf(values: QuestionValues, probe: string) {
  const { by, filter, pid, command, interval, clear } = values
  if (pid !== undefined && command !== undefined)
    throw new UsageError('--pid and --command cannot be used together')
  if (clear && interval === undefined) throw new UsageError('--clear needs --interval')
  const shown = {
    // An iterator is finished as soon as it has been attached.
    seconds: numberOf('seconds', values.seconds, 0) ?? (/^it(er)?:[^,]*$/.test(probe) ? 0 : undefined),
    interval: numberOf('interval', interval, 0.1),
    top: numberOf('top', values.top, 1),
    clear,
    json: values.json,
  }
  const maxKeys = countOf('max-keys', values['max-keys'])
  const process = pidOf(pid)
  const child = command === undefined ? undefined : await HeldCommand.start(command)
  const asked = {
    ...process,
    ...(child && { pid: child.pid }),
    ...(by !== undefined && { by }),
    ...(filter !== undefined && { filter }),
    ...(maxKeys !== undefined && { maxKeys }),
  }
  return { asked, shown: { ...shown, child }, [Symbol.dispose]: () => child?.stop() }
}

/** Says how much is missing from an answer. @param remedy - an option that makes room for more */
export function sayLost(command: string, lost: number, remedy = ''): void {
  if (lost > 0)
    say(`libbpf-node ${command}: ${lost} hits are missing: there were more keys than fit${remedy}`)
}

/** The remedy for commands that have this option. */
export const moreKeys = '; --max-keys makes room for more'

/** A signal that is aborted by Ctrl-C, when the time is over, or when the program has ended. */
function stopSignal(seconds: number | undefined, child?: HeldCommand): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  if (seconds !== undefined) setTimeout(() => stop.abort(), seconds * 1000).unref()
  void child?.ended.then(() => stop.abort())
  return stop.signal
}

export interface Answer {
  toString(count?: number, style?: PictureStyle): string
  toJSON(): unknown
  clear?(): void
}

export interface ShowOptions {
  readonly seconds: number | undefined
  readonly interval: number | undefined
  readonly json: boolean | undefined
  readonly top?: number | undefined
  readonly clear?: boolean | undefined
  readonly child?: HeldCommand | undefined
}

/**
 * Shows events as they happen, until it is stopped.
 *
 * @param session - says how many were lost
 */
export async function follow<T>(
  command: string,
  { seconds, child }: Pick<ShowOptions, 'seconds' | 'child'>,
  session: { readonly lost: number; stop(): void },
  events: { on(listener: (event: T) => void): void },
  write: (event: T) => void,
): Promise<void> {
  const signal = stopSignal(seconds, child)
  const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
  events.on(write)
  child?.go()
  if (!signal.aborted) await stopped
  session.stop()
  if (session.lost > 0)
    say(`libbpf-node ${command}: ${session.lost} events were lost because the buffer was full`)
}

/** Prints an event: its values with commas between them, or JSON. */
export const printEvent =
  (json: boolean | undefined) =>
  (event: unknown): void =>
    print(json ? `${toJson(event)}\n` : `${visible(describeKey(event))}\n`)

/**
 * Shows an answer: live on a terminal, and once at the end otherwise.
 *
 * @param picture - draws it in another way; it is called once in each interval
 */
export async function show(
  answer: Answer,
  { seconds, interval, json, top, clear, child }: ShowOptions,
  picture?: (style: PictureStyle) => string,
): Promise<void> {
  const signal = stopSignal(seconds, child)
  const isLive = process.stdout.isTTY === true && !json
  const every = interval ?? (isLive || picture ? 1 : undefined)
  const text = (): string => {
    const style = styleOf()
    // Names may contain what a terminal would obey.
    const drawn = picture?.(style) ?? visibleLines(answer.toString(top, style))
    return drawn || 'nothing yet'
  }
  const write = (): void =>
    print(json ? `${JSON.stringify(shortened(answer, top), jsonReplacer)}\n` : `${text()}\n`)
  const screen = isLive ? new Screen(signal) : undefined
  child?.go()
  try {
    while (!signal.aborted) {
      // A timer of more than 24 days would fire at once.
      await sleep(Math.min((every ?? 86_400) * 1000, 2 ** 31 - 1), undefined, { signal }).catch(() => {})
      if (signal.aborted || every === undefined) continue
      if (screen !== undefined) screen.draw(text())
      // A picture of all intervals is printed at the end.
      else if (picture) picture(styleOf())
      else write()
      if (clear) answer.clear?.()
    }
  } finally {
    screen?.close()
  }
  if (screen !== undefined || picture || interval === undefined) write()
}

const visibleLines = (text: string): string => text.split('\n').map(visible).join('\n')

function shortened(answer: Answer, top: number | undefined): unknown {
  const all = answer.toJSON()
  return Array.isArray(all) ? all.slice(0, top) : all
}
