import { statSync } from 'node:fs'
import { TraceError } from '../trace/error.js'
import { session } from '../trace/several.js'
import { table } from '../trace/tables.js'
import { type EventTool, onlyPid, type ToolOptions } from './tool.js'

interface Pause {
  readonly pid: number
  /** V8's GarbageCollector, or `loop`. */
  readonly what: number
  readonly nanoseconds: number
  /** How much of it was garbage collection. */
  readonly collecting: number
}

/** The numbers of V8's GarbageCollector. */
const collectors = ['young objects', 'all objects', 'young objects (mark and sweep)']
const loop = 255

/** Shorter rounds of an event loop are not worth showing. */
const leastMs = 10

/** A mangled C++ name, as it is in the file; what comes after it encodes the types of the arguments. */
const perform = '_ZN2v88internal4Heap24PerformGarbageCollection*'

const begins = '(r, { begun }) => { begun.set(r.tid, { since: r.nsecs, collector: u32(r.arg1) }) }'

const ends = `(r, { begun, spent }) => {
  const begin = begun.get(r.tid)
  if (!begin) return
  const nanoseconds = r.nsecs - begin.since
  const what = begin.collector
  begun.delete(r.tid)
  spent.add(r.tid, nanoseconds)
  return { pid: r.pid, what, nanoseconds, collecting: nanoseconds }
}`

/** A round of an event loop begins when the loop is told what happened, and ends when it asks again. */
const wakes = '(r, { woken, spent }) => { woken.set(r.tid, r.nsecs); spent.delete(r.tid) }'

const asks = `(r, { woken, spent }) => {
  const since = woken.get(r.tid)
  if (!since) return
  const nanoseconds = r.nsecs - since.value
  woken.delete(r.tid)
  if (nanoseconds < least) return
  let collecting: u64 = 0
  const collected = spent.get(r.tid)
  if (collected) collecting = collected.value
  return { pid: r.pid, what: u32(${loop}), nanoseconds, collecting }
}`

const polls = process.arch === 'x64' ? ['epoll_wait', 'epoll_pwait'] : ['epoll_pwait']
const probes = (when: string): string[] => polls.map((name) => `tracepoint:syscalls:sys_${when}_${name}`)

const milliseconds = (nanoseconds: number): string => (nanoseconds / 1e6).toFixed(2)

export const tool: EventTool<Pause> = {
  summary: 'Garbage collections and slow rounds of the event loop of Node.js',
  usage: '[FILE]',
  help: `Prints a line for each time that V8 stops a program to collect garbage, and for each round of an event loop that takes
${leastMs} ms or more, during which nothing else can happen. FILE is the program: by default that of --pid, or the Node.js
that this command runs in. (Linux 6.6)`,
  columns: [
    ['PID', 8, ({ pid }) => pid],
    ['MS', 8, ({ nanoseconds }) => milliseconds(nanoseconds)],
    ['OF', 0, describe],
  ],
  async open(options) {
    const [, ...more] = options.args
    if (more.length > 0) throw new TraceError('name one file')
    const program = programOf(options)
    return session(
      { begun: table(), woken: table({ forgets: true }), spent: table({ forgets: true }) },
      [
        [`uprobe:${program}:${perform}`, begins],
        [`uretprobe:${program}:${perform}`, ends],
        [probes('exit'), wakes],
        [probes('enter'), asks],
      ],
      { ...onlyPid(options), constants: { least: leastMs * 1e6 } },
    )
  },
  // Every program with an event loop asks in the same way.
  wants: ({ what, pid }, options) => what !== loop || isRunBy(pid, programOf(options)),
}

const programOf = ({ args: [file], pid }: ToolOptions): string =>
  file ?? (pid === undefined ? process.execPath : `/proc/${pid}/exe`)

/** Whether a process runs a program. One that has ended does not. */
function isRunBy(pid: number, program: string): boolean {
  try {
    const [own, wanted] = [statSync(`/proc/${pid}/exe`), statSync(program)]
    return own.ino === wanted.ino && own.dev === wanted.dev
  } catch {
    return false
  }
}

function describe({ what, collecting }: Pause): string {
  if (what !== loop) return collectors[what] ?? String(what)
  return collecting > 0 ? `event loop, ${milliseconds(collecting)} ms of it garbage collection` : 'event loop'
}
