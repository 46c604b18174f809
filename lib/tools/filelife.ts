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

const deletes = '(r, { deleting }) => { deleting.set(r.tid, u64(r.args.dentry)) }'

/** The caller still holds the dentry, with the name. In an overlay, the file below is the one that is deleted. */
const deleted = `(r, { born, deleting }) => {
  const file = deleting.get(r.tid)
  if (!file) return
  const key = file.value
  deleting.delete(r.tid)
  if (s32(r.retval) !== 0) return
  const begin = born.get(key)
  if (!begin) return
  const nanoseconds = r.nsecs - begin.value
  born.delete(key)
  return { pid: r.pid, comm: r.comm, nanoseconds, name: kstr(cast('dentry', key).d_name.name) }
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
      { born: table({ maxKeys: 65_536, forgets: true }), deleting: table() },
      [
        ['kprobe:security_inode_create', born],
        ['kprobe:security_inode_unlink', deletes],
        ['kretprobe:vfs_unlink', deleted],
      ],
      onlyPid(options),
    ),
}
