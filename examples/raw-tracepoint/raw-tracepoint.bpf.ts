// raw-tracepoint.bpf.c in TypeScript: reports signals and their senders.
import { bpf, type char, rawTp, ringbuf, u32, u64 } from 'libbpf-node/kernel'

interface signal {
  number: u32
  pid: u32
  comm: char<16>
  sender: u32
  sender_comm: char<16>
}

export const signals = ringbuf<signal>(1 << 16)

export const on_signal = rawTp('signal_generate', (number, info, task) => {
  // 1 means that the kernel sends the signal; codes above 0 do, too.
  if (u64(info) === 1 || info.si_code > 0) return 0
  signals.emit({
    number: u32(number),
    pid: task.tgid,
    comm: task.comm,
    sender: u32(bpf.getCurrentPidTgid() >> 32),
    sender_comm: bpf.getCurrentComm(),
  })
  return 0
})

export const license = 'GPL'
