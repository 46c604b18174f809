// worker.bpf.c in TypeScript: sends one record for each program that is started.
import { bpf, bss, type char, rawTp, ringbuf, u32, type u64 } from 'libbpf-node/kernel'

interface execution {
  time: u64 // ns, CLOCK_MONOTONIC
  pid: u32
  comm: char<16>
}

export const events = ringbuf<execution>(1 << 18)
export let lost = bss<u64>()

export const on_exec = rawTp('sched_process_exec', () => {
  const isThere = events.emit({
    time: bpf.ktimeGetNs(),
    pid: u32(bpf.getCurrentPidTgid() >> 32),
    comm: bpf.getCurrentComm(),
  })
  if (!isThere) lost += 1
  return 0
})

export const license = 'GPL'
