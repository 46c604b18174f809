import { readlinkSync } from 'node:fs'
import { TraceError } from '../trace/error.js'
import { session } from '../trace/several.js'
import { table } from '../trace/tables.js'
import { type EventTool, onlyPid } from './tool.js'

interface Collection {
  readonly pid: number
  readonly collector: number
  readonly nanoseconds: number
}

/** The numbers of V8's GarbageCollector. */
const collectors = ['young objects', 'all objects', 'young objects (mark and sweep)']

/** A C++ name as it is in the file; what comes after it says the types of the arguments. */
const perform = '_ZN2v88internal4Heap24PerformGarbageCollection*'

const begins = '(r, { begun }) => { begun.set(r.tid, { since: r.nsecs, collector: u32(r.arg1) }) }'

const ends = `(r, { begun }) => {
  const begin = begun.get(r.tid)
  if (!begin) return
  return { pid: r.pid, collector: begin.collector, nanoseconds: r.nsecs - begin.since }
}`

export const tool: EventTool<Collection> = {
  summary: 'Garbage collections of Node.js',
  usage: '[FILE]',
  help: `Prints a line for each time that V8 stops a program to collect garbage. FILE is the program: by default that of --pid, or
the Node.js that this command runs in. (Linux 6.6)`,
  columns: [
    ['PID', 8, ({ pid }) => pid],
    ['MS', 8, ({ nanoseconds }) => (nanoseconds / 1e6).toFixed(2)],
    ['OF', 0, ({ collector }) => collectors[collector] ?? collector],
  ],
  async open(options) {
    const [file, ...more] = options.args
    if (more.length > 0) throw new TraceError('name one file')
    const own = options.pid === undefined ? process.execPath : readlinkSync(`/proc/${options.pid}/exe`)
    const program = file ?? own
    return session(
      { begun: table() },
      [
        [`uprobe:${program}:${perform}`, begins],
        [`uretprobe:${program}:${perform}`, ends],
      ],
      onlyPid(options),
    )
  },
}
