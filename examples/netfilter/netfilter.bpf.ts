// netfilter.bpf.c in TypeScript: a firewall rule that drops UDP packets to one port.
import {
  type be16,
  type be32,
  bss,
  NF,
  netfilter,
  rodata,
  type u8,
  type u16,
  type u64,
} from 'libbpf-node/kernel'

interface Ipv4 {
  version: u8
  tos: u8
  length: be16
  id: be16
  fragment: be16
  ttl: u8
  protocol: u8
  checksum: be16
  source: be32
  destination: be32
}

interface Udp {
  source: be16
  destination: be16
  length: be16
  checksum: be16
}

export const port = rodata<u16>(0)
export let accepted = bss<u64>()
export let dropped = bss<u64>()

export const no_udp = netfilter((ctx) => {
  const ip = ctx.load<Ipv4>(0)
  if (!ip) return NF.ACCEPT
  if (ip.protocol !== 17) return NF.ACCEPT
  const udp = ctx.load<Udp>((ip.version & 15) * 4)
  if (udp && udp.destination === port) {
    dropped += 1
    return NF.DROP
  }
  accepted += 1
  return NF.ACCEPT
})

export const license = 'GPL'
