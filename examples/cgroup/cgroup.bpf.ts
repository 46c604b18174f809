// cgroup.bpf.c in TypeScript: allows the processes of a cgroup to connect to one port only.
import { bss, cgroupConnect4, rodata, type u16, type u64 } from 'libbpf-node/kernel'

export const allowed_port = rodata<u16>(443)
export let allowed = bss<u64>()
export let refused = bss<u64>()

export const connect4 = cgroupConnect4((ctx) => {
  if (ctx.user_port !== allowed_port) {
    refused += 1
    return 0
  }
  allowed += 1
  return 1
})

export const license = 'GPL'
