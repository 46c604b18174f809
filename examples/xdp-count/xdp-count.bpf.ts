// xdp-count.bpf.c in TypeScript: counts the packets that arrive at an interface by protocol.
import { type be16, type bytes, percpuHash, type u16, type u64, XDP, xdp } from 'libbpf-node/kernel'

interface Ethernet {
  to: bytes<6>
  from: bytes<6>
  type: be16
}

export const frames = percpuHash<u16, u64>(256)

export const count = xdp((packet) => {
  const eth = packet.read<Ethernet>(0)
  if (!eth) return XDP.PASS
  frames.add(eth.type, 1)
  return XDP.PASS
})

export const license = 'GPL'
