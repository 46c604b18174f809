// Addresses as the kernel's sockets have them: numbers of 32 bits.
import { ipAddress } from '../format/address.js'

/** The members of a socket's address; `family` is 2 for IPv4. */
export interface Socket {
  readonly family: number
  readonly saddr: number
  readonly daddr: number
  readonly sport: number
  readonly dport: number
  readonly s0: number
  readonly s1: number
  readonly s2: number
  readonly s3: number
  readonly d0: number
  readonly d1: number
  readonly d2: number
  readonly d3: number
}

/** The address of this machine. */
export const source = (s: Socket): string => address(s.family, s.saddr, [s.s0, s.s1, s.s2, s.s3])

/** The address of the peer. */
export const destination = (s: Socket): string => address(s.family, s.daddr, [s.d0, s.d1, s.d2, s.d3])

export function address(family: number, ipv4: number, ipv6: readonly number[]): string {
  const bytes = (n: number): number[] => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]
  return ipAddress(Uint8Array.from(family === 2 ? bytes(ipv4) : ipv6.flatMap(bytes)))
}

/**
 * The members of {@link Socket}, of the socket `sk`. It is text, so that each tool can put it into its function, which
 * cannot call another one.
 */
export const socketMembers = `
  family: sk.__sk_common.skc_family,
  saddr: sk.__sk_common.skc_rcv_saddr,
  daddr: sk.__sk_common.skc_daddr,
  sport: sk.__sk_common.skc_num,
  dport: sk.__sk_common.skc_dport,
  s0: sk.__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[0],
  s1: sk.__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[1],
  s2: sk.__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[2],
  s3: sk.__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32[3],
  d0: sk.__sk_common.skc_v6_daddr.in6_u.u6_addr32[0],
  d1: sk.__sk_common.skc_v6_daddr.in6_u.u6_addr32[1],
  d2: sk.__sk_common.skc_v6_daddr.in6_u.u6_addr32[2],
  d3: sk.__sk_common.skc_v6_daddr.in6_u.u6_addr32[3],`
