import { locateBinary } from '../attach/binary.js'
import { probesIn } from '../machine/binary-probes.js'
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

/**
 * SSL_read may end a handshake, and Node.js then writes before SSL_read returns. So each function has its own table.
 */
type Call = 'SSL_write' | 'SSL_read'
const tableOf = (call: Call): string => (call === 'SSL_write' ? 'writes' : 'reads')

const called = (call: Call): string =>
  `(r, { ${tableOf(call)} }) => { ${tableOf(call)}.set(r.tid, { buffer: r.arg1, count: r.arg3 }) }`

/**
 * SSL_write and SSL_read return the number of bytes. Those with _ex return 1, and store the number in their last
 * argument.
 */
const returned = (call: Call, isEx: boolean): string => `(r, { ${tableOf(call)} }) => {
  const begun = ${tableOf(call)}.get(r.tid)
  if (!begun) return
  const buffer = begun.buffer
  const count = begun.count
  ${tableOf(call)}.delete(r.tid)
  // What has failed has sent and received nothing, and is often tried again.
  if (s32(r.retval) <= 0) return
  const length = s32(${isEx ? 'bpf.probeReadUser<u64>(count)' : 'r.retval'})
  return { pid: r.pid, comm: r.comm, isSent: u32(${Number(call === 'SSL_write')}), length, text: str(buffer, length) }
}`

export const tool: EventTool<Data> = {
  summary: 'What programs send and receive through OpenSSL, before it is encrypted',
  usage: '[FILE]',
  help: `Prints the beginning of what SSL_write and SSL_write_ex send, and SSL_read and SSL_read_ex receive: up to 127 bytes
or the first zero byte. FILE is the library, libssl.so.3 by default, or a program that contains it, such as Node.js.

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
    const ends = hasEx(file, options.pid) ? ['', '_ex'] : ['']
    const pairs = (['SSL_write', 'SSL_read'] as const).flatMap((call) =>
      ends.flatMap((end): [string, string][] => [
        [`uprobe:${file}:${call}${end}`, called(call)],
        [`uretprobe:${file}:${call}${end}`, returned(call, end === '_ex')],
      ]),
    )
    return session({ writes: table(), reads: table() }, pairs, onlyPid(options))
  },
}

/** Before OpenSSL 1.1.1, there are only the functions without _ex. If the file does not exist, attaching reports it. */
function hasEx(file: string, pid: number | undefined): boolean {
  const path = locateBinary(file, pid, (why) => {
    throw new TraceError(`process ${pid}: ${why}`)
  })
  return probesIn(path)?.functions.has('SSL_write_ex') === true
}
