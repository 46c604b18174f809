// Runs in the kernel: sends an event to main.ts whenever a program is started.
import { type char, rawTp, ringbuf, type u32 } from 'libbpf-node/kernel'

interface Event {
  pid: u32
  comm: char<16>
}

export const events = ringbuf<Event>(256 * 1024)

export const onExec = rawTp('sched_process_exec', (task) => {
  events.emit({ pid: task.tgid, comm: task.comm })
  return 0
})

export const license = 'GPL'
