// Packets for tests, layer by layer. Lengths, protocol numbers and checksums follow from the layers unless they are
// given.
import { concat } from '../asm/strings.js'
import { checksum } from './helpers/packet.js'

/** What a layer has to know of its neighbors. */
interface Surroundings {
  /** The bytes that follow its header. */
  readonly payload: Uint8Array
  /** The layer that follows, if there is one. */
  readonly next: Layer | undefined
  /** The layer around it. */
  readonly outer: Layer | undefined
}

/** One layer of a packet: make one with {@link ethernet}, {@link ipv4}, {@link udp} and so on. */
export interface Layer {
  readonly name: string
  /** Its number in the EtherType of the layer around it. */
  readonly etherType?: number
  /** Its number in the protocol of the IP layer around it. */
  readonly protocol?: number
  /** For the checksums of TCP and UDP: the addresses of an IP layer. */
  readonly pseudoHeader?: (protocol: number, length: number) => Uint8Array
  readonly header: (surroundings: Surroundings) => Uint8Array
}

/** Puts layers together. What is not a layer is the payload. */
export function packet(...layers: readonly (Layer | Uint8Array | string)[]): Uint8Array {
  let bytes: Uint8Array = new Uint8Array(0)
  for (let i = layers.length - 1; i >= 0; i--) {
    const layer = layers[i]!
    if (typeof layer === 'string') bytes = concat([new TextEncoder().encode(layer), bytes])
    else if (layer instanceof Uint8Array) bytes = concat([layer, bytes])
    else
      bytes = concat([
        layer.header({ payload: bytes, next: layerAt(layers, i + 1), outer: layerAt(layers, i - 1) }),
        bytes,
      ])
  }
  return bytes
}

function layerAt(layers: readonly (Layer | Uint8Array | string)[], index: number): Layer | undefined {
  const layer = layers[index]
  return typeof layer === 'object' && !(layer instanceof Uint8Array) ? layer : undefined
}

export interface EthernetFields {
  destination?: string
  source?: string
  type?: number
}

/** An Ethernet header, 14 bytes. Addresses are written as '02:00:00:00:00:01'. */
export const ethernet = (fields: EthernetFields = {}): Layer => ({
  name: 'ethernet',
  header: ({ next }) => {
    const {
      destination = '02:00:00:00:00:02',
      source = '02:00:00:00:00:01',
      type = next?.etherType ?? 0,
    } = fields
    return concat([macBytes(destination), macBytes(source), u16(type)])
  },
})

/** An 802.1Q tag, 4 bytes. */
export const vlan = (
  id: number,
  { priority = 0, type }: { priority?: number; type?: number } = {},
): Layer => ({
  name: 'vlan',
  etherType: 0x8100,
  header: ({ next }) => concat([u16((priority << 13) | id), u16(type ?? next?.etherType ?? 0)]),
})

export interface ArpFields {
  operation?: 'request' | 'reply'
  senderMac?: string
  senderIp?: string
  targetMac?: string
  targetIp?: string
}

/** ARP for IPv4 over Ethernet, 28 bytes. */
export const arp = (fields: ArpFields = {}): Layer => ({
  name: 'arp',
  etherType: 0x0806,
  header: () => {
    const { operation = 'request', senderMac = '02:00:00:00:00:01', senderIp = '10.0.0.1' } = fields
    const { targetMac = '00:00:00:00:00:00', targetIp = '10.0.0.2' } = fields
    return concat([
      Uint8Array.of(0, 1, 8, 0, 6, 4, 0, operation === 'request' ? 1 : 2),
      macBytes(senderMac),
      ipv4Bytes(senderIp),
      macBytes(targetMac),
      ipv4Bytes(targetIp),
    ])
  },
})

export interface Ipv4Fields {
  source?: string
  destination?: string
  ttl?: number
  /** DSCP and ECN. */
  tos?: number
  identification?: number
  /** Flags and fragment offset, as in the header. */
  fragment?: number
  protocol?: number
  checksum?: number
}

/** An IPv4 header without options, 20 bytes. */
export function ipv4(fields: Ipv4Fields = {}): Layer {
  const { source = '10.0.0.1', destination = '10.0.0.2' } = fields
  const addresses = concat([ipv4Bytes(source), ipv4Bytes(destination)])
  return {
    name: 'ipv4',
    etherType: 0x0800,
    protocol: 4,
    pseudoHeader: (protocol, length) => concat([addresses, Uint8Array.of(0, protocol), u16(length)]),
    header: ({ payload, next }) => {
      const {
        ttl = 64,
        tos = 0,
        identification = 0,
        fragment = 0x4000,
        protocol = next?.protocol ?? 255,
      } = fields
      const header = concat([
        Uint8Array.of(0x45, tos),
        u16(20 + payload.length),
        u16(identification),
        u16(fragment),
        Uint8Array.of(ttl, protocol, 0, 0),
        addresses,
      ])
      header.set(fields.checksum === undefined ? internetChecksum(header) : u16(fields.checksum), 10)
      return header
    },
  }
}

export interface Ipv6Fields {
  source?: string
  destination?: string
  hopLimit?: number
  nextHeader?: number
}

/** An IPv6 header, 40 bytes. */
export function ipv6(fields: Ipv6Fields = {}): Layer {
  const { source = 'fd00::1', destination = 'fd00::2' } = fields
  const addresses = concat([ipv6Bytes(source), ipv6Bytes(destination)])
  return {
    name: 'ipv6',
    etherType: 0x86dd,
    protocol: 41,
    pseudoHeader: (protocol, length) =>
      concat([addresses, Uint8Array.of(0, 0), u16(length), Uint8Array.of(0, 0, 0, protocol)]),
    header: ({ payload, next }) => {
      const { hopLimit = 64, nextHeader = next?.protocol ?? 59 } = fields
      return concat([
        Uint8Array.of(0x60, 0, 0, 0),
        u16(payload.length),
        Uint8Array.of(nextHeader, hopLimit),
        addresses,
      ])
    },
  }
}

export interface UdpFields {
  sourcePort?: number
  destinationPort?: number
  checksum?: number
}

/** A UDP header, 8 bytes. */
export const udp = (fields: UdpFields = {}): Layer => ({
  name: 'udp',
  protocol: 17,
  header: ({ payload, outer }) => {
    const { sourcePort = 1024, destinationPort = 53 } = fields
    const header = concat([
      u16(sourcePort),
      u16(destinationPort),
      u16(8 + payload.length),
      u16(fields.checksum ?? 0),
    ])
    if (fields.checksum === undefined) {
      const sum = transportChecksum(17, outer, header, payload)
      // Zero stands for no checksum.
      header.set(sum[0] === 0 && sum[1] === 0 ? Uint8Array.of(0xff, 0xff) : sum, 6)
    }
    return header
  },
})

export interface TcpFields {
  sourcePort?: number
  destinationPort?: number
  sequence?: number
  acknowledgment?: number
  flags?: readonly ('fin' | 'syn' | 'rst' | 'psh' | 'ack' | 'urg' | 'ece' | 'cwr')[]
  window?: number
  checksum?: number
}

const tcpFlags = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr'] as const

/** A TCP header without options, 20 bytes. */
export const tcp = (fields: TcpFields = {}): Layer => ({
  name: 'tcp',
  protocol: 6,
  header: ({ payload, outer }) => {
    const {
      sourcePort = 1024,
      destinationPort = 80,
      sequence = 0,
      acknowledgment = 0,
      window = 65535,
    } = fields
    const flags = (fields.flags ?? []).reduce((bits, flag) => bits | (1 << tcpFlags.indexOf(flag)), 0)
    const header = concat([
      u16(sourcePort),
      u16(destinationPort),
      u32(sequence),
      u32(acknowledgment),
      Uint8Array.of(0x50, flags),
      u16(window),
      u16(fields.checksum ?? 0),
      u16(0),
    ])
    if (fields.checksum === undefined) header.set(transportChecksum(6, outer, header, payload), 16)
    return header
  },
})

export interface IcmpFields {
  type?: number
  code?: number
  identifier?: number
  sequence?: number
}

/** An ICMP header, 8 bytes: an echo request by default. */
export const icmp = (fields: IcmpFields = {}): Layer => ({
  name: 'icmp',
  protocol: 1,
  header: ({ payload }) => {
    const { type = 8, code = 0, identifier = 0, sequence = 0 } = fields
    const header = concat([Uint8Array.of(type, code, 0, 0), u16(identifier), u16(sequence)])
    header.set(internetChecksum(header, payload), 2)
    return header
  },
})

/** The checksum of IP, UDP and TCP over some bytes, in network byte order. */
export function internetChecksum(...parts: readonly Uint8Array[]): Uint8Array {
  // A part of an odd length would shift those that follow.
  const sum = ~checksum(concat(parts)) & 0xffff
  return Uint8Array.of(sum & 0xff, sum >> 8)
}

function transportChecksum(
  protocol: number,
  outer: Layer | undefined,
  header: Uint8Array,
  payload: Uint8Array,
): Uint8Array {
  if (outer?.pseudoHeader === undefined) return Uint8Array.of(0, 0)
  return internetChecksum(outer.pseudoHeader(protocol, header.length + payload.length), header, payload)
}

const u16 = (value: number): Uint8Array => Uint8Array.of((value >> 8) & 0xff, value & 0xff)
const u32 = (value: number): Uint8Array => concat([u16(value >>> 16), u16(value & 0xffff)])

function macBytes(address: string): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(address))
    throw new TypeError(`'${address}' is not a MAC address`)
  return Uint8Array.from(address.split(':'), (part) => Number.parseInt(part, 16))
}

function ipv4Bytes(address: string): Uint8Array {
  const parts = address.split('.').map(Number)
  if (parts.length !== 4 || !parts.every((part) => Number.isInteger(part) && part >= 0 && part < 256)) {
    throw new TypeError(`'${address}' is not an IPv4 address`)
  }
  return Uint8Array.from(parts)
}

function ipv6Bytes(address: string): Uint8Array {
  const [head = '', tail, ...more] = address.split('::')
  const words = (text: string | undefined): number[] =>
    text ? text.split(':').map((word) => Number.parseInt(word, 16)) : []
  const [left, right] = [words(head), words(tail)]
  const gap = tail === undefined ? 0 : 8 - left.length - right.length
  const all = [...left, ...Array.from({ length: Math.max(0, gap) }, () => 0), ...right]
  if (more.length > 0 || all.length !== 8 || all.some((word) => !(word >= 0 && word <= 0xffff))) {
    throw new TypeError(`'${address}' is not an IPv6 address`)
  }
  return concat(all.map(u16))
}
