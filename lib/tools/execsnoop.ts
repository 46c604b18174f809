import { session } from '../trace/several.js'
import { type EventTool, onlyPid } from './tool.js'

interface Started {
  readonly pid: number
  readonly ppid: number
  readonly uid: number
  readonly comm: string
  readonly length: number
  readonly args: Uint8Array
}

/** A string, because tsc removes the type argument from functions. The arguments are next to each other in memory. */
const started = `(r) => ({
  pid: r.pid,
  ppid: r.task.real_parent.tgid,
  uid: r.uid,
  comm: r.comm,
  length: r.task.mm.arg_end - r.task.mm.arg_start,
  args: bpf.probeReadUser<bytes<192>>(r.task.mm.arg_start),
})`

export const tool: EventTool<Started> = {
  summary: 'Programs that are started',
  help: 'Prints a line for each program that is started, with its arguments (up to 192 bytes).',
  columns: [
    ['PID', 8, ({ pid }) => pid],
    ['PPID', 8, ({ ppid }) => ppid],
    ['UID', 6, ({ uid }) => uid],
    ['COMM', 16, ({ comm }) => comm],
    ['ARGS', 0, argumentsOf],
  ],
  open: (options) => session({}, [['rt:sched_process_exec', started]], onlyPid(options)),
}

export function argumentsOf({ args, length }: Pick<Started, 'args' | 'length'>): string {
  const text = Buffer.from(args).subarray(0, length).toString()
  const words = text.replace(/\0$/, '').split('\0')
  const line = words.map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : JSON.stringify(word))).join(' ')
  return length > args.length ? `${line}...` : line
}
