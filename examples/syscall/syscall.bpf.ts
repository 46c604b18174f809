// syscall.bpf.c in TypeScript: removes the entries of a map that are older than a given time, without a system call for
// each entry.
import { bss, hash, syscall, type u32, type u64 } from 'libbpf-node/kernel'

interface sweep {
  before: u64
  seen: u64
  removed: u64
}

export const last_seen = hash<u32, u64>(100_000)
export let swept = bss<sweep>()

function lookAtAll(): void {
  last_seen.forEach((key, when) => {
    swept.seen += 1
    if (when.value < swept.before && last_seen.delete(key.value)) swept.removed += 1
  })
}

export const sweep = syscall((ctx: sweep) => {
  swept = { before: ctx.before, seen: 0, removed: 0 }
  lookAtAll()
  ctx.seen = swept.seen
  ctx.removed = swept.removed
  return 0
})

export const license = 'GPL'
