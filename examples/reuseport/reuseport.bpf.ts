// reuseport.bpf.c in TypeScript: selects the socket of a UDP port by the first byte of a datagram.
import { bss, reuseportArray, SK, skReuseport, type u8, type u64 } from 'libbpf-node/kernel'

const UDP_HEADER = 8

export let given = bss<u64>()
export let refused = bss<u64>()
export const sockets = reuseportArray(256)

export const by_first_byte = skReuseport((packet) => {
  const first = packet.load<u8>(UDP_HEADER)
  if (!first) return SK.DROP
  if (sockets.select(first.value) !== 0) {
    refused += 1
    return SK.DROP
  }
  given += 1
  return SK.PASS
})

export const license = 'GPL'
