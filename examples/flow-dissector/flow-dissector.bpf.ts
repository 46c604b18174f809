// flow-dissector.bpf.c in TypeScript: distinguishes flows by their addresses alone.
import { type be16, type be32, bss, flowDissector, type u8, u16, type u64 } from 'libbpf-node/kernel'

const BPF_OK = 0
const BPF_DROP = 2
const BPF_FLOW_DISSECTOR_CONTINUE = 129

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

export let dissected = bss<u64>()

export const by_address = flowDissector((packet) => {
  const keys = packet.flow_keys
  // Leaves other packets to the kernel (since Linux 6.1; before, all of them are one flow).
  if (keys.n_proto !== 0x0800) return BPF_FLOW_DISSECTOR_CONTINUE
  const ip = packet.load<Ipv4>(keys.nhoff)
  if (!ip) return BPF_DROP
  keys.addr_proto = 0x0800
  keys.ipv4_src = ip.source
  keys.ipv4_dst = ip.destination
  keys.ip_proto = ip.protocol
  keys.thoff = u16(keys.nhoff + (ip.version & 15) * 4)
  // sport and dport stay 0.
  dissected += 1
  return BPF_OK
})

export const license = 'GPL'
