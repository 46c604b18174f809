// Several functions in one session, which share maps.
import { TraceError } from './error.js'
import { emitted, ringNamed, Trace } from './events.js'
import { powersOfTwo } from './histogram.js'
import type { Code, Tables } from './kernel-text.js'
import { countsLosses, lostIn } from './losses.js'
import {
  type Opened,
  openSession,
  type Part,
  type ProbeNames,
  Session,
  type SessionOptions,
} from './session.js'
import type { SharedTable } from './tables.js'
import type { ProbeRecord } from './words.js'

/** The tables of a session, by the names that its functions use. */
export type SharedTables = Readonly<Record<string, SharedTable<unknown, unknown>>>

/** The tables as functions in the kernel see them. */
export type InTheKernel<T extends SharedTables> = {
  readonly [N in keyof T]: T[N] extends SharedTable<infer Words, unknown> ? Words : never
}

/** The tables as you read them. */
export type Answers<T extends SharedTables> = {
  readonly [N in keyof T]: T[N] extends SharedTable<unknown, infer Answer> ? Answer : never
}

/** Probes, and the function that runs at them. */
export type SessionProbe<T extends SharedTables, E> = readonly [
  probes: ProbeNames,
  code: string | ((record: ProbeRecord, tables: InTheKernel<T>) => E),
]

export interface SeveralOptions extends SessionOptions {
  /**
   * The size in bytes of the ring buffer where events wait; a power of two, and a multiple of the page size. 1 MiB by
   * default.
   */
  readonly bufferSize?: number
}

/** Several functions that run in the kernel, and the tables that they share. */
export class SharedSession<T extends SharedTables, E> extends Session {
  /** The tables of the session, to be read. */
  readonly tables: Answers<T>
  readonly #events: Trace<E> | undefined

  /** @internal */
  constructor(opened: Opened, tables: T, hasEvents: boolean) {
    super(opened)
    this.tables = Object.fromEntries(
      Object.entries(tables).map(([name, table]) => [name, table.open(opened, name)]),
    ) as Answers<T>
    this.#events = hasEvents ? new Trace<E>(opened) : undefined
  }

  /** Whether a function returns something. */
  get hasEvents(): boolean {
    return this.#events !== undefined
  }

  /** What the functions return. @throws TraceError if none of them returns anything */
  get events(): Trace<E> {
    if (this.#events === undefined) throw new TraceError('no function of this session returns an event')
    return this.#events
  }

  /** How many events and keys were left out, because the buffer or a table was full. */
  get lost(): number {
    return lostIn(this.object)
  }

  override close(): void {
    this.#events?.close()
    super.close()
  }
}

/**
 * Runs several functions in the kernel that share tables. What a function returns becomes an event, unless it is
 * `undefined` or `null`; all events of a session have the same members. (Linux 4.17; with events, 5.8)
 *
 * The probe `begin` is hit once when all others are attached, and `end` when the session is stopped.
 *
 * @example
 * await using lives = await session({ started: table<number>(), lived: histogram({ unit: 'ms' }) }, [
 *   ['rt:sched_process_exec', (r, { started }) => void started.set(r.pid, r.nsecs)],
 *   ['rt:sched_process_exit', (r, { started, lived }) => {
 *     const since = started.get(r.pid)
 *     if (!since) return
 *     lived.record(r.nsecs - since.value)
 *     started.delete(r.pid)
 *   }],
 * ])
 * await setTimeout(1000)
 * console.log(`${lives.tables.lived}`)
 * @throws TraceError for a probe that does not exist or a function that cannot run in the kernel
 */
export async function session<T extends SharedTables, E = unknown>(
  tables: T,
  probes: readonly SessionProbe<T, E>[],
  { bufferSize = 1 << 20, ...options }: SeveralOptions = {},
): Promise<SharedSession<T, NonNullable<Exclude<E, void>>>> {
  for (const name of Object.keys(tables)) expectName(name)
  const words: Tables = Object.fromEntries(Object.entries(tables).map(([name, { words }]) => [name, words]))
  let hasEvents = false
  const parts = probes.map(
    ([names, code]): Part => ({
      probes: names,
      body: (text) =>
        text(code as Code).statements((value, isObject) => {
          hasEvents = true
          return emitted(value, isObject)
        }),
    }),
  )
  const declarations = (): string =>
    [
      ...Object.entries(tables).map(([name, table]) => table.declare(name)),
      ...(hasEvents ? [ringNamed(bufferSize)] : []),
      countsLosses,
      powersOfTwo.code,
    ].join('\n')
  const opened = await openSession(declarations, parts, options, words)
  return new SharedSession(opened, tables, hasEvents)
}

/** Names that the session itself uses on the kernel side, or that have a meaning there. */
const taken =
  /^(events|lost|slotOf|probe_names|bpf|str|kstr|license|arg\d|ctx|value|p\d+_\d+|[us](8|16|32|64)|range)$/

function expectName(name: string): void {
  if (!/^[a-zA-Z]\w*$/.test(name) || taken.test(name))
    throw new TraceError(`'${name}' cannot be the name of a table`)
}
