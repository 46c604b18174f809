// fentry.bpf.c in TypeScript: reports new processes and threads with fentry, or with a kprobe.
import { bpf, type char, fentry, kprobe, ringbuf, type s32, u32 } from 'libbpf-node/kernel'

interface birth {
  pid: u32
  tid: u32
  parent: u32
  comm: char<16>
}

export const births = ringbuf<birth>(1 << 16)

function note(pid: u32, tid: u32): s32 {
  births.emit({ pid, tid, parent: u32(bpf.getCurrentPidTgid() >> 32), comm: bpf.getCurrentComm() })
  return 0
}

// fentry programs read kernel memory without a helper, and cost less than kprobes.
export const by_fentry = fentry('wake_up_new_task', (task) => note(u32(task.tgid), u32(task.pid)))

export const by_kprobe = kprobe('wake_up_new_task', (task) => note(u32(task.tgid), u32(task.pid)))

export const license = 'GPL'
