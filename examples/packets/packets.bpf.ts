// packets.bpf.c in TypeScript: keeps the first bytes of packets from or to a port: TCP or UDP over IPv4 without options,
// or IPv6.
import { type be16, rodata, socketFilter, type u8, type u16, type u32 } from 'libbpf-node/kernel'

interface Ports {
  from: be16
  to: be16
}

// 0 for all packets.
export const port = rodata<u16>(0)
export const bytes_kept = rodata<u32>(65535)

export const by_port = socketFilter((packet) => {
  if (port === 0) return bytes_kept
  const type = packet.load<be16>(12)
  if (!type) return 0
  const isIpv4 = type.value === 0x0800
  if (!isIpv4 && type.value !== 0x86dd) return 0
  const next = packet.load<u8>(isIpv4 ? 14 + 9 : 14 + 6)
  if (!next || (next.value !== 6 && next.value !== 17)) return 0
  const ports = packet.load<Ports>(isIpv4 ? 14 + 20 : 14 + 40)
  // The number that is returned is how many bytes the socket gets.
  return ports && (ports.from === port || ports.to === port) ? bytes_kept : 0
})

export const license = 'GPL'
