// DNS queries over UDP of all processes, and how long the answers took in microseconds, by their result.
import {
  type array,
  type be16,
  bpf,
  cgroupEgress,
  cgroupIngress,
  log2,
  lruHash,
  lruPercpuHash,
  type Packet,
  type u8,
  u32,
  type u64,
  zero,
} from 'libbpf-node/kernel'
import { type Begin, weight } from './sampling.js'

interface Query {
  port: u32
  id: u32
}

interface Latency {
  slots: array<u64, 32>
  sum: u64
}

interface Ipv4 {
  version: u8
  tos: u8
  length: be16
  id: be16
  fragment: be16
  ttl: u8
  protocol: u8
  checksum: be16
}

interface Ipv6 {
  version: u32
  length: be16
  next: u8
  hops: u8
}

interface Message {
  source: be16
  destination: be16
  length: be16
  checksum: be16
  id: be16
  flags: be16
}

export const since = lruHash<Query, Begin>(8192)
export const dns_latency = lruPercpuHash<u32, Latency>(16)

/** Where UDP begins in a packet, or 0 if it is something else. */
function udpIn(packet: Packet): u32 {
  const ip = packet.load<Ipv4>(0)
  if (!ip) return 0
  if (ip.version >>> 4 === 4) return ip.protocol === 17 ? (ip.version & 15) * 4 : 0
  const ip6 = packet.load<Ipv6>(0)
  if (!ip6) return 0
  return ip6.next === 17 ? 40 : 0
}

export const onSend = cgroupEgress((packet) => {
  const offset = udpIn(packet)
  if (offset === 0) return 1
  const message = packet.load<Message>(offset)
  if (!message) return 1
  if (message.destination !== 53) return 1
  const query: Query = { port: message.source, id: message.id }
  const many = weight()
  // A query that is left out must not keep the time of an earlier one with the same number.
  if (many === 0) since.delete(query)
  else since.set(query, { at: bpf.ktimeGetNs(), many })
  return 1
})

export const onReceive = cgroupIngress((packet) => {
  const offset = udpIn(packet)
  if (offset === 0) return 1
  const message = packet.load<Message>(offset)
  if (!message) return 1
  if (message.source !== 53) return 1
  const query: Query = { port: message.destination, id: message.id }
  const begin = since.get(query)
  if (!begin) return 1
  const many = begin.many
  const took = (bpf.ktimeGetNs() - begin.at) / 1000
  since.delete(query)
  const result = u32(message.flags & 15)
  const found = dns_latency.get(result)
  if (!found) dns_latency.setNew(result, zero<Latency>())
  const latency = dns_latency.get(result)
  if (!latency) return 1
  latency.slots[log2(took, 31)] += many
  latency.sum += many * took
  return 1
})

export const license = 'GPL'
