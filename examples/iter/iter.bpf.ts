// iter.bpf.c in TypeScript: collects what ps prints inside the kernel.
import { bpf, type char, iter, type u32, type u64 } from 'libbpf-node/kernel'

export interface process {
  pid: u32
  parent: u32
  started_ns: u64
  pages: u64
  comm: char<16>
}

export const processes = iter('task', (ctx) => {
  const task = ctx.task
  // Threads are tasks, too; report each process once.
  if (!task || task.pid !== task.tgid) return 0
  const process: process = {
    pid: task.tgid,
    parent: task.real_parent.tgid,
    started_ns: task.start_time,
    pages: task.mm.total_vm,
    comm: task.comm,
  }
  bpf.seqWrite(ctx.meta.seq, process)
  return 0
})

export const license = 'GPL'
