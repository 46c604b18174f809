// tail-calls.bpf.c in TypeScript: a socket filter that calls a separate program for each kind of datagram.
import { bss, programArray, s32, socketFilter, type u8, type u64 } from 'libbpf-node/kernel'

const UDP_HEADER = 8

export const handlers = programArray(256)
export let greetings = bss<u64>()
export let orders = bss<u64>()
export let refused = bss<u64>()

export const dispatch = socketFilter((packet) => {
  const kind = packet.load<u8>(UDP_HEADER)
  if (kind) handlers.call(kind.value)
  // Only reached if there is no program for it. The socket gets as many bytes of the datagram as are returned.
  refused += 1
  return 0
})

export const greeting = socketFilter((packet) => {
  greetings += 1
  return s32(packet.len)
})

export const order = socketFilter((packet) => {
  orders += 1
  return s32(packet.len)
})

export const license = 'GPL'
