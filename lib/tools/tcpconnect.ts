import { session } from '../trace/several.js'
import { destination, type Socket, socketMembers, source } from './addresses.js'
import { type EventTool, onlyPid } from './tool.js'

interface Connecting extends Socket {
  readonly pid: number
  readonly comm: string
}

/** 2 is TCP_SYN_SENT, and 6 is TCP. */
const connecting = `(r) => {
  const sk = r.args.sk
  if (r.args.newstate !== 2 || sk.sk_protocol !== 6) return
  return { pid: r.pid, comm: r.comm,${socketMembers} }
}`

export const tool: EventTool<Connecting> = {
  summary: 'TCP connections that programs open',
  help: 'Prints a line for each connection that a program begins, when it begins.',
  columns: [
    ['PID', 8, ({ pid }) => pid],
    ['COMM', 16, ({ comm }) => comm],
    ['IP', 2, ({ family }) => (family === 2 ? 4 : 6)],
    ['FROM', 24, source],
    ['TO', 24, destination],
    ['PORT', 0, ({ dport }) => dport],
  ],
  open: (options) => session({}, [['rt:inet_sock_set_state', connecting]], onlyPid(options)),
}
