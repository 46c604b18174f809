// tcx-order.bpf.c in TypeScript: the first program marks packets to a port, the second counts the marked ones.
import {
  type be16,
  bss,
  type bytes,
  rodata,
  TC,
  tcEgress,
  type u8,
  type u16,
  type u64,
} from 'libbpf-node/kernel'

const IPPROTO_UDP = 17

interface Ipv4 {
  version: u8
  tos: u8
  length: be16
  id: be16
  fragment: be16
  ttl: u8
  protocol: u8
  checksum: be16
  source: bytes<4>
  destination: bytes<4>
}

interface Udp {
  source: be16
  destination: be16
  length: be16
  checksum: be16
}

export const port = rodata<u16>(53)
export let marked = bss<u64>()

export const mark = tcEgress((packet) => {
  if (packet.protocol !== 0x0800) return TC.NEXT
  const ip = packet.load<Ipv4>(14)
  if (!ip || ip.protocol !== IPPROTO_UDP) return TC.NEXT
  const udp = packet.load<Udp>(14 + (ip.version & 15) * 4)
  if (!udp) return TC.NEXT
  if (udp.destination === port) packet.mark = 1
  return TC.NEXT
})

export const count = tcEgress((packet) => {
  if (packet.mark === 1) marked += 1
  return TC.NEXT
})

export const license = 'GPL'
