// drop-privileges.bpf.c in TypeScript.
import { bpf, bss, type char, rawTp, ringbuf, s32, type u64 } from 'libbpf-node/kernel'

interface event {
  pid: s32
  comm: char<16>
}

// User space reads this from mapped memory, without a system call.
export let executed = bss<u64>()
export const events = ringbuf<event>(256 * 1024)

export const on_exec = rawTp('sched_process_exec', () => {
  executed += 1
  events.emit({ pid: s32(bpf.getCurrentPidTgid() >> 32), comm: bpf.getCurrentComm() })
  return 0
})

export const license = 'GPL'
