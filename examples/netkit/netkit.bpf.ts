// netkit.bpf.c in TypeScript: lets only IPv4 packets to one address leave a container through its netkit device.
import { type be32, bpf, bss, netkitPeer, rodata, type u32, type u64, zero } from 'libbpf-node/kernel'

const NETKIT_NEXT = -1
const NETKIT_DROP = 2
const BPF_HDR_START_NET = 1

interface Address {
  to: be32
}

export const allowed = rodata<u32>()
export let sent = bss<u64>()
export let dropped = bss<u64>()

export const leave = netkitPeer((packet) => {
  const address = zero<Address>()
  // Packets of a netkit device may have an Ethernet header or not; all have a network header.
  if (
    packet.protocol === 0x0800 &&
    bpf.skbLoadBytesRelative(16, address, BPF_HDR_START_NET) === 0 &&
    address.to === allowed
  ) {
    sent += 1
    return NETKIT_NEXT
  }
  dropped += 1
  return NETKIT_DROP
})

export const license = 'GPL'
