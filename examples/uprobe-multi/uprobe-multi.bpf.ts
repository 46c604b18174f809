// uprobe-multi.bpf.c in TypeScript: counts the calls of several functions of a program or library.
import { array, bpf, u32, type u64, uprobeMulti } from 'libbpf-node/kernel'

export const calls = array<u64>(1)

export const on_call = uprobeMulti(() => {
  // The cookie says which function was called.
  const count = calls.get(u32(bpf.getAttachCookie()))
  if (count) count.value += 1
  return 0
})

export const license = 'GPL'
