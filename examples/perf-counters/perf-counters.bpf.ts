// perf-counters.bpf.c in TypeScript: counts the CPU cycles and instructions of each process with hardware counters.
import { bpf, type char, hash, perfEvent, u32, type u64, zero } from 'libbpf-node/kernel'

interface counts {
  comm: char<16>
  cycles: u64
  instructions: u64
}

export const processes = hash<u32, counts>(10240)

function addCurrent(pid: u32): void {
  const none = zero<counts>()
  none.comm = bpf.getCurrentComm()
  processes.setNew(pid, none)
}

// Each program runs once per million events.
export const on_cycles = perfEvent(() => {
  const pid = u32(bpf.getCurrentPidTgid() >> 32)
  addCurrent(pid)
  const counts = processes.get(pid)
  if (counts) counts.cycles += 1
  return 0
})

export const on_instructions = perfEvent(() => {
  const pid = u32(bpf.getCurrentPidTgid() >> 32)
  addCurrent(pid)
  const counts = processes.get(pid)
  if (counts) counts.instructions += 1
  return 0
})

export const license = 'GPL'
