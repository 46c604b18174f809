// tc-clsact.bpf.c in TypeScript: counts the bytes that leave through an interface, and drops packets beyond a limit.
import { bss, data, TC, tc, type u64 } from 'libbpf-node/kernel'

export const limit = data<u64>(-1)
export let sent = bss<u64>()
export let dropped = bss<u64>()

export const meter = tc((packet) => {
  if (sent + packet.len <= limit) {
    sent += packet.len
    return TC.PASS
  }
  dropped += packet.len
  return TC.DROP
})

export const license = 'GPL'
