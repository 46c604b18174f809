// kprobe-multi.bpf.c in TypeScript: counts the calls of many kernel functions.
import { bpf, hash, kprobeMulti, type u64 } from 'libbpf-node/kernel'

export const calls = hash<u64, u64>(16384)

export const on_call = kprobeMulti(() => {
  calls.add(bpf.getFuncIp(), 1)
  return 0
})

export const license = 'GPL'
