// TCP segments that are sent again because nothing confirmed them.
import { type array, type be32, lruHash, rawTp, ringbuf, u16, type u64 } from 'libbpf-node/kernel'
import { weight } from './sampling.js'

interface Key {
  family: u16
  state: u16
}

/** IPv4 addresses are mapped into those of IPv6. */
interface Retransmit {
  saddr: array<be32, 4>
  daddr: array<be32, 4>
  sport: u16
  dport: u16
  family: u16
  state: u16
}

export const tcp_retransmits = lruHash<Key, u64>(64)
export const retransmits = ringbuf<Retransmit>(262144, { countLost: true })

export const onRetransmit = rawTp('tcp_retransmit_skb', (sk) => {
  const common = sk.__sk_common
  const family = u16(common.skc_family)
  const state = u16(common.skc_state)
  const key: Key = { family, state }
  tcp_retransmits.add(key, 1)
  // All are counted; the agent may leave out the event.
  if (weight() === 0) return 0
  const event = retransmits.reserve()
  if (!event) return 0
  event.family = family
  event.state = state
  event.sport = u16(common.skc_num)
  event.dport = u16(common.skc_dport)
  if (family === 2) {
    event.saddr[0] = 0
    event.saddr[1] = 0
    event.saddr[2] = 0xffff
    event.saddr[3] = common.skc_rcv_saddr
    event.daddr[0] = 0
    event.daddr[1] = 0
    event.daddr[2] = 0xffff
    event.daddr[3] = common.skc_daddr
  } else {
    event.saddr[0] = common.skc_v6_rcv_saddr.in6_u.u6_addr32[0]
    event.saddr[1] = common.skc_v6_rcv_saddr.in6_u.u6_addr32[1]
    event.saddr[2] = common.skc_v6_rcv_saddr.in6_u.u6_addr32[2]
    event.saddr[3] = common.skc_v6_rcv_saddr.in6_u.u6_addr32[3]
    event.daddr[0] = common.skc_v6_daddr.in6_u.u6_addr32[0]
    event.daddr[1] = common.skc_v6_daddr.in6_u.u6_addr32[1]
    event.daddr[2] = common.skc_v6_daddr.in6_u.u6_addr32[2]
    event.daddr[3] = common.skc_v6_daddr.in6_u.u6_addr32[3]
  }
  retransmits.submit(event)
  return 0
})

export const license = 'GPL'
