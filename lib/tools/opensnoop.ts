import { constants } from 'node:os'
import { session } from '../trace/several.js'
import { table } from '../trace/tables.js'
import { type EventTool, onlyPid } from './tool.js'

interface OpenedFile {
  readonly pid: number
  readonly comm: string
  readonly result: number
  readonly file: string
}

const calls = process.arch === 'x64' ? ['open', 'openat', 'openat2'] : ['openat', 'openat2']
const probes = (when: string): string[] => calls.map((name) => `tracepoint:syscalls:sys_${when}_${name}`)

export const tool: EventTool<OpenedFile> = {
  summary: 'Files that are opened',
  help: 'Prints a line for each file that is opened, or that could not be.',
  columns: [
    ['PID', 8, ({ pid }) => pid],
    ['COMM', 16, ({ comm }) => comm],
    ['FD', 4, ({ result }) => Math.max(result, -1)],
    ['ERR', 8, ({ result }) => (result < 0 ? errorName(-result) : '')],
    ['PATH', 0, ({ file }) => file],
  ],
  open: (options) =>
    session(
      { names: table<number>() },
      [
        [probes('enter'), (r, { names }) => void names.set(r.tid, r.args.filename!)],
        [
          probes('exit'),
          // The name is read at the end, when the kernel has read it, too: it may not be in memory before.
          (r, { names }) => {
            const name = names.get(r.tid)
            if (!name) return
            const address = name.value
            names.delete(r.tid)
            return { pid: r.pid, comm: r.comm, result: r.retval, file: r.str(address) }
          },
        ],
      ],
      onlyPid(options),
    ),
}

/** `ENOENT` for 2. */
const errorName = (errno: number): string =>
  Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? String(errno)
