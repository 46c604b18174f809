import { session } from '../trace/several.js'
import { destination, type Socket, socketMembers, source } from './addresses.js'
import type { EventTool } from './tool.js'

interface Retransmission extends Socket {
  readonly state: number
}

const states = [
  'unknown',
  ...['ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'FIN_WAIT1', 'FIN_WAIT2', 'TIME_WAIT', 'CLOSE', 'CLOSE_WAIT'],
  ...['LAST_ACK', 'LISTEN', 'CLOSING', 'NEW_SYN_RECV'],
]

const sentAgain = `(r) => {
  const sk = r.args.sk
  return { state: u32(sk.__sk_common.skc_state),${socketMembers} }
}`

export const tool: EventTool<Retransmission> = {
  summary: 'TCP segments that are sent again',
  help: 'Prints a line for each segment that TCP sends again, because nothing confirmed it.',
  isOfProcess: false,
  columns: [
    ['FROM', 24, source],
    ['PORT', 5, ({ sport }) => sport],
    ['TO', 24, destination],
    ['PORT', 5, ({ dport }) => dport],
    ['STATE', 0, ({ state }) => states[state] ?? state],
  ],
  open: () => session({}, [['rt:tcp_retransmit_skb', sentAgain]]),
}
