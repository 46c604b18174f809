// usdt.bpf.c in TypeScript: counts how often each process reaches a static probe, and keeps the first argument.
import { bpf, type char, hash, s64, u32, type u64, usdt } from 'libbpf-node/kernel'

interface visitor {
  comm: char<16>
  count: u64
  last: s64
}

export const visitors = hash<u32, visitor>(4096)

export const on_probe = usdt((first) => {
  const pid = u32(bpf.getCurrentPidTgid() >> 32)
  visitors.setNew(pid, { comm: bpf.getCurrentComm(), count: 0, last: 0 })
  const seen = visitors.get(pid)
  if (!seen) return 0
  seen.count += 1
  seen.last = s64(first)
  return 0
})

export const license = 'GPL'
