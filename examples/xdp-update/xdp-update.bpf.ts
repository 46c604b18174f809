// xdp-update.bpf.c in TypeScript: the two programs for the gate of an interface.
import { type be16, bss, type bytes, type u8, type u64, XDP, xdp } from 'libbpf-node/kernel'

const IPPROTO_UDP = 17

interface Packet {
  to: bytes<6>
  from: bytes<6>
  type: be16
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

export let passed = bss<u64>()
export let dropped = bss<u64>()

export const open_gate = xdp(() => {
  passed += 1
  return XDP.PASS
})

// Drops UDP over IPv4.
export const shut_gate = xdp((packet) => {
  const ip = packet.read<Packet>(0)
  if (!ip) return XDP.PASS
  if (ip.type !== 0x0800) return XDP.PASS
  if (ip.protocol === IPPROTO_UDP) {
    dropped += 1
    return XDP.DROP
  }
  passed += 1
  return XDP.PASS
})

export const license = 'GPL'
