import { session } from '../trace/several.js'
import { table } from '../trace/tables.js'
import { type EventTool, onlyPid } from './tool.js'

interface Life {
  readonly pid: number
  readonly comm: string
  readonly nanoseconds: number
  readonly name: string
}

const born = '(r, { born }) => { born.set(u64(r.args.dentry), r.nsecs) }'

const deleted = `(r, { born }) => {
  const key = u64(r.args.dentry)
  const begin = born.get(key)
  if (!begin) return
  const nanoseconds = r.nsecs - begin.value
  born.delete(key)
  return { pid: r.pid, comm: r.comm, nanoseconds, name: kstr(r.args.dentry.d_name.name) }
}`

export const tool: EventTool<Life> = {
  summary: 'Files that live only for a short time',
  help: 'Prints a line for each file that is deleted and that was made since the tool began. Requires kprobes.',
  columns: [
    ['PID', 8, ({ pid }) => pid],
    ['COMM', 16, ({ comm }) => comm],
    ['AGE MS', 10, ({ nanoseconds }) => (nanoseconds / 1e6).toFixed(2)],
    ['FILE', 0, ({ name }) => name],
  ],
  open: (options) =>
    session(
      { born: table({ maxKeys: 65_536, forgets: true }) },
      [
        ['kprobe:security_inode_create', born],
        ['kprobe:security_inode_unlink', deleted],
      ],
      onlyPid(options),
    ),
}
