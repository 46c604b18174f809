// xdp-blocklist.bpf.c in TypeScript: drops IPv4 packets from networks in a list, and counts them for each network.
import { type be16, type be32, type bytes, lpmTrie, type u8, type u32, XDP, xdp } from 'libbpf-node/kernel'

interface Ethernet {
  to: bytes<6>
  from: bytes<6>
  type: be16
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
  source: be32
  destination: be32
}

interface network {
  prefixlen: u32
  address: be32
}

// A u64 would not be aligned behind an IPv4 address, and arm64 cannot add to it atomically.
export const blocked = lpmTrie<network, u32>(1 << 20)

export const filter = xdp((packet) => {
  const eth = packet.read<Ethernet>(0)
  if (!eth) return XDP.PASS
  if (eth.type !== 0x0800) return XDP.PASS
  const ip = packet.read<Ipv4>(14)
  if (!ip) return XDP.PASS
  const from: network = { prefixlen: 32, address: ip.source }
  const dropped = blocked.get(from)
  if (!dropped) return XDP.PASS
  dropped.value += 1
  return XDP.DROP
})

export const license = 'GPL'
