import { TraceError } from '../trace/error.js'
import { session } from '../trace/several.js'
import { table } from '../trace/tables.js'
import { type EventTool, onlyPid } from './tool.js'

interface Data {
  readonly pid: number
  readonly comm: string
  readonly isSent: number
  readonly length: number
  readonly text: string
}

const written =
  '(r) => ({ pid: r.pid, comm: r.comm, isSent: u32(1), length: s32(r.arg2), text: str(r.arg1, s32(r.arg2)) })'

const read = '(r, { buffers }) => { buffers.set(r.tid, r.arg1) }'

const received = `(r, { buffers }) => {
  const buffer = buffers.get(r.tid)
  if (!buffer) return
  const address = buffer.value
  buffers.delete(r.tid)
  const length = s32(r.retval)
  if (length <= 0) return
  return { pid: r.pid, comm: r.comm, isSent: u32(0), length, text: str(address, length) }
}`

export const tool: EventTool<Data> = {
  summary: 'What programs send and receive through OpenSSL, before it is encrypted',
  usage: '[FILE]',
  help: `Prints the beginning of what SSL_write sends and SSL_read receives, up to 127 bytes or the first zero byte. FILE is the
library, libssl.so.3 by default, or a program that contains it, such as Node.js.

  libbpf-node tool sslsniff
  libbpf-node tool sslsniff "$(which node)"`,
  columns: [
    ['PID', 8, ({ pid }) => pid],
    ['COMM', 16, ({ comm }) => comm],
    ['', 8, ({ isSent }) => (isSent ? 'sent' : 'received')],
    ['BYTES', 7, ({ length }) => length],
    ['TEXT', 0, ({ text }) => JSON.stringify(text)],
  ],
  async open(options) {
    const [file = 'libssl.so.3', ...more] = options.args
    if (more.length > 0) throw new TraceError('name one file')
    return session(
      { buffers: table() },
      [
        [`uprobe:${file}:SSL_write`, written],
        [`uprobe:${file}:SSL_read`, read],
        [`uretprobe:${file}:SSL_read`, received],
      ],
      onlyPid(options),
    )
  },
}
