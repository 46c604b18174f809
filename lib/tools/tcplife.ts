import { session } from '../trace/several.js'
import { table } from '../trace/tables.js'
import { destination, type Socket, socketMembers, source } from './addresses.js'
import type { EventTool } from './tool.js'

interface Life extends Socket {
  /** 0 if it is not known. */
  readonly pid: number
  readonly comm: string
  readonly nanoseconds: number
  /** The port of this machine, which the socket no longer has at the end. */
  readonly port: number
  /** Bytes that the other side has confirmed. */
  readonly sent: number
  readonly received: number
}

/**
 * A connection begins when it is in TCP_ESTABLISHED (1), or tries to be: TCP_SYN_SENT (2), TCP_SYN_RECV (3). Its
 * process is the one that connects, or the one that closes it (TCP_FIN_WAIT1 is 4, TCP_LAST_ACK 9): when the network
 * changes the state, any process may be running. At the end of a connection that was accepted and then reset, the
 * process is unknown.
 */
const changed = `(r, { born, owners }) => {
  const sk = r.args.sk
  if (sk.sk_protocol !== 6) return
  const key = u64(sk)
  const state = r.args.newstate
  if (state < 4) born.set(key, r.nsecs)
  // An earlier socket at the same address had another owner.
  if (state === 3) owners.set(key, { pid: 0, comm: '' })
  if (state === 2 || state === 4 || state === 9) owners.set(key, { pid: r.pid, comm: r.comm })
  if (state !== 7) return
  const begin = born.get(key)
  if (!begin) return
  const nanoseconds = r.nsecs - begin.value
  born.delete(key)
  const owner = owners.get(key)
  if (!owner) return
  const tcp = cast('tcp_sock', sk)
  return {
    pid: owner.pid, comm: owner.comm, port: cast('inet_sock', sk).inet_sport, nanoseconds,
    sent: tcp.bytes_acked, received: tcp.bytes_received,${socketMembers}
  }
}`

export const tool: EventTool<Life> = {
  summary: 'TCP connections: how long they were open, and how much was sent',
  help: `Prints a line for each connection when it has ended, with the bytes that were sent and confirmed, and those that were
received.`,
  columns: [
    ['PID', 8, ({ pid }) => pid || '-'],
    ['COMM', 16, ({ comm }) => comm || '-'],
    ['FROM', 24, source],
    ['PORT', 5, ({ port }) => port],
    ['TO', 24, destination],
    ['PORT', 5, ({ dport }) => dport],
    ['SENT', 9, ({ sent }) => sent],
    ['RECEIVED', 9, ({ received }) => received],
    ['MS', 0, ({ nanoseconds }) => (nanoseconds / 1e6).toFixed(2)],
  ],
  open: () =>
    session(
      {
        born: table({ maxKeys: 65_536, forgets: true }),
        owners: table({ maxKeys: 65_536, forgets: true }),
      },
      [['rt:inet_sock_set_state', changed]],
    ),
}
