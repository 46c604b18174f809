// sk-lookup.bpf.c in TypeScript: sends connections to a range of ports to one socket, which listens on another port.
import { bpf, bss, rodata, SK, skLookup, sockmap, type u32, type u64 } from 'libbpf-node/kernel'

const IPPROTO_TCP = 6

export const first_port = rodata<u32>()
export const last_port = rodata<u32>()
export let served = bss<u64>()
export const server = sockmap(1)

export const pick = skLookup((ctx) => {
  const port = ctx.local_port
  if (ctx.protocol !== IPPROTO_TCP || port < first_port || port > last_port) return SK.PASS
  const sk = server.get(0)
  if (!sk) return SK.PASS
  if (bpf.skAssign(sk, 0) === 0) served += 1
  bpf.skRelease(sk)
  return SK.PASS
})

export const license = 'GPL'
