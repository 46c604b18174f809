// A program that redirects packets to AF_XDP sockets, written as instructions: no compiler is needed to run it.
import {
  add,
  and,
  call,
  callKfunc,
  exit,
  ja,
  jeq,
  jgt,
  jne,
  ldMap,
  ldx,
  mov,
  type Register,
  r0,
  r1,
  r2,
  r3,
  r4,
  r5,
  r6,
  r7,
  r8,
  r9,
  r10,
  st,
  stx,
} from '../asm/builders.js'
import { pointer, prototype, s32, u32, u64 } from '../asm/c-types.js'
import { label } from '../asm/edit.js'
import type { Instruction } from '../asm/instruction.js'
import { buildObject } from '../asm/object-writer.js'
import { littleEndian } from '../machine/byte-order.js'
import { contextPointer, XDP_PASS, xdpProgram } from './program-type.js'

/** Which packets go to a socket. All members that are given must match. */
export interface XdpFilter {
  /** The type of the Ethernet frame, such as 0x0806 for ARP, 0x0800 for IPv4 and 0x86dd for IPv6. */
  etherType?: number
  /** The protocol in IPv4 and IPv6, by name or number. IPv6 packets with extension headers do not match. */
  protocol?: 'icmp' | 'tcp' | 'udp' | 'icmpv6' | number
  /** The destination port of TCP, UDP and SCTP. Fragments after the first one do not match. */
  port?: number
}

/**
 * The clock for the arrival times of packets: `kernel` is CLOCK_MONOTONIC, like `process.hrtime.bigint()`, at the time
 * when our program got the packet; `device` is the clock of the network card.
 */
export type XdpTimestamps = 'kernel' | 'device'

/** The most queues of an interface for which there can be a socket. */
export const mostQueues = 256

const protocols = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const
/** The protocols whose headers begin with two ports: TCP, UDP, SCTP. */
const withPorts = [6, 17, 132]

/** Bytes of headers, and offsets in the packet. */
const ethernet = { size: 14, type: 12 }
const ipv4 = { type: 0x0800, end: 34, version: 14, fragment: 20, protocol: 23 }
const ipv6 = { type: 0x86dd, end: 54, protocol: 20 }

/** The lengths that an IPv4 header can have, in words of 4 bytes. */
const headerWords = Array.from({ length: 11 }, (_, i) => 5 + i)

/** Members of `struct xdp_md`. */
const context = { data: 0, dataEnd: 4, metadata: 8, queue: 16 }
const deviceTime = 'bpf_xdp_metadata_rx_timestamp'
const deviceTimeType = prototype(s32, { ctx: contextPointer, timestamp: pointer(u64) })

/** Puts 8 bytes in front of the packet, unless the driver has no room for them, and goes to `stamped`. */
const addMetadata = [
  mov(r1, r6),
  mov(r2, -8),
  call('xdp_adjust_meta'),
  jne(r0, 0, 'stamped'),
  ldx('u32', r7, r6, context.metadata),
  ldx('u32', r8, r6, context.data),
  mov(r2, r7),
  add(r2, 8),
  jgt(r2, r8, 'stamped'),
]

const writeTimestamp: Record<XdpTimestamps, readonly Instruction[]> = {
  kernel: [...addMetadata, call('ktime_get_ns'), stx('u64', r7, 0, r0)],
  device: [
    ...addMetadata,
    // Without a time from the device, it stays 0.
    st('u64', r10, -8, 0),
    mov(r1, r6),
    mov(r2, r10),
    add(r2, -8),
    callKfunc(deviceTime),
    ldx('u64', r0, r10, -8),
    stx('u64', r7, 0, r0),
  ],
}

/** No type, protocol or port is this number. */
const none = 0x10000

/**
 * Builds an object with the program `redirect` and the map `sockets`. Packets that match any of the filters go to the
 * socket of their queue; all others, and those of queues without a socket, go on to the kernel.
 */
export function redirectObject(
  filters: readonly XdpFilter[],
  { multiBuffer, timestamps }: { multiBuffer: boolean; timestamps: XdpTimestamps | undefined },
): Uint8Array {
  const matches = filters.flatMap((filter, i) => match(expectFilter(filter), i, filters.length))
  const [first, ...stamp] = timestamps === undefined ? [] : writeTimestamp[timestamps]
  const queue = ldx('u32', r2, r6, context.queue)
  const redirect =
    first === undefined
      ? [label('redirect', queue)]
      : [label('redirect', first), ...stamp, label('stamped', queue)]
  return buildObject({
    license: 'GPL',
    ...(timestamps === 'device' && {
      externs: { [deviceTime]: { kind: 'kfunc' as const, type: deviceTimeType } },
    }),
    maps: { sockets: { type: 'xskmap', maxEntries: mostQueues, key: u32, value: u32 } },
    programs: {
      redirect: {
        section: multiBuffer ? 'xdp.frags' : 'xdp',
        type: xdpProgram,
        instructions: [
          mov(r6, r1),
          ...(filters.length > 0 ? [...parse, ...matches] : []),
          ...redirect,
          ldMap(r1, 'sockets'),
          mov(r3, XDP_PASS),
          call('redirect_map'),
          exit(),
        ],
      },
    },
  })
}

/** A number as it stands in a packet, read by this machine. */
const network16 = (value: number): number => (littleEndian ? ((value & 0xff) << 8) | (value >> 8) : value)

/** Goes to `otherwise` if the packet ends before `start + size`. r8 is its end. */
const expectBytes = (start: Register, size: number, otherwise: string): Instruction[] => [
  mov(r2, start),
  add(r2, size),
  jgt(r2, r8, otherwise),
]

/** r9 becomes the type of the Ethernet frame, r5 the protocol and r4 the destination port, or `none`. */
const parse: readonly Instruction[] = [
  mov(r4, none),
  mov(r5, none),
  ldx('u32', r7, r6, context.data),
  ldx('u32', r8, r6, context.dataEnd),
  ...expectBytes(r7, ethernet.size, 'pass'),
  ldx('u16', r9, r7, ethernet.type),
  jeq(r9, network16(ipv6.type), 'ipv6'),
  jne(r9, network16(ipv4.type), 'filter 0'),

  ...expectBytes(r7, ipv4.end, 'filter 0'),
  ldx('u8', r5, r7, ipv4.protocol),
  // Only the first fragment has ports.
  ldx('u16', r2, r7, ipv4.fragment),
  and(r2, network16(0x1fff)),
  jne(r2, 0, 'filter 0'),
  ldx('u8', r3, r7, ipv4.version),
  and(r3, 0xf),
  // Adding a length that is not a constant to the address of a packet requires CAP_PERFMON.
  ...headerWords.map((words) => jeq(r3, words, `${words} words`)),
  ja('filter 0'),
  ...headerWords.flatMap((words) => [
    label(`${words} words`, add(r7, ethernet.size + 4 * words)),
    ja('ports'),
  ]),

  label('ipv6', mov(r2, r7)),
  add(r2, ipv6.end),
  jgt(r2, r8, 'filter 0'),
  ldx('u8', r5, r7, ipv6.protocol),
  add(r7, ipv6.end),

  label('ports', jeq(r5, withPorts[0]!, 'port')),
  ...withPorts.slice(1).map((protocol) => jeq(r5, protocol, 'port')),
  ja('filter 0'),
  label('port', mov(r2, r7)),
  add(r2, 4),
  jgt(r2, r8, 'filter 0'),
  ldx('u16', r4, r7, 2),
]

function match({ etherType, protocol, port }: XdpFilter, i: number, count: number): Instruction[] {
  const next = `filter ${i + 1}`
  const number = typeof protocol === 'string' ? protocols[protocol] : protocol
  const instructions = [
    ...(etherType === undefined ? [] : [jne(r9, network16(etherType), next)]),
    ...(number === undefined ? [] : [jne(r5, number, next)]),
    ...(port === undefined ? [] : [jne(r4, network16(port), next)]),
    ja('redirect'),
  ]
  const [first, ...rest] = instructions
  const all = [label(`filter ${i}`, first!), ...rest]
  if (i + 1 < count) return all
  return [...all, label('pass', label(next, mov(r0, XDP_PASS))), exit()]
}

function expectFilter(filter: XdpFilter): XdpFilter {
  if (typeof filter !== 'object' || filter === null) throw new TypeError('filter is not an object')
  const { etherType, protocol, port, ...others } = filter
  const [unknown] = Object.keys(others)
  if (unknown !== undefined)
    throw new TypeError(`filter.${unknown} does not exist; choose from etherType, protocol, port`)
  expectNumber('etherType', etherType, 0xffff)
  expectNumber('port', port, 0xffff)
  if (typeof protocol !== 'string') expectNumber('protocol', protocol, 0xff)
  else if (!(protocol in protocols))
    throw new TypeError(
      `filter.protocol '${protocol}' does not exist; choose from ${Object.keys(protocols).join(', ')}, or use its number`,
    )
  const number = typeof protocol === 'string' ? protocols[protocol] : protocol
  if (port !== undefined && number !== undefined && !withPorts.includes(number))
    throw new TypeError(
      `filter.protocol ${protocol} has no ports: choose tcp, udp or 132 for SCTP, or leave out filter.port`,
    )
  const isIp = etherType === undefined || etherType === ipv4.type || etherType === ipv6.type
  if (!isIp && (port !== undefined || protocol !== undefined))
    throw new TypeError(
      `filter.etherType 0x${etherType.toString(16).padStart(4, '0')} has no ${port === undefined ? 'protocol' : 'port'}: only 0x0800 (IPv4) and 0x86dd (IPv6) have one`,
    )
  return filter
}

function expectNumber(name: string, value: number | undefined, most: number): void {
  if (value === undefined) return
  if (!Number.isInteger(value)) throw new TypeError(`filter.${name} is not a whole number`)
  if (value < 0 || value > most) throw new RangeError(`filter.${name} is not between 0 and ${most}`)
}
