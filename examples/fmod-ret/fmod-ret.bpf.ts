// fmod-ret.bpf.c in TypeScript: protects a process from signals, by returning an error in place of a kernel function.
import { bpf, bss, fmodRet, rodata, s32, type u32, type u64 } from 'libbpf-node/kernel'

const EPERM = 1

export const guarded = rodata<u32>()
export let refused = bss<u64>()

// If the program returns anything but 0, the function is not called.
export const on_kill = fmodRet('security_task_kill', (task, _info, signal, _cred, verdict) => {
  // Signal 0 only checks whether the process exists. The process may signal itself.
  if (verdict !== 0 || signal === 0 || task.tgid !== s32(guarded)) return s32(verdict)
  if (bpf.getCurrentPidTgid() >> 32 === guarded) return 0
  refused += 1
  return -EPERM
})

export const license = 'GPL'
