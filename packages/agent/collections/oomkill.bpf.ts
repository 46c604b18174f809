// Processes that the kernel kills because memory ran out.
import { bpf, type char, lruHash, ringbuf, tracepoint, u32, type u64 } from 'libbpf-node/kernel'

interface Kill {
  cgroup: u64
  pid: u32
  victim: u32
  comm: char<16>
}

export const oom_kills = lruHash<u64, u64>(4096)
export const kills = ringbuf<Kill>(65536, { countLost: true })

export const onKill = tracepoint('oom/mark_victim', (ctx) => {
  const cgroup = bpf.getCurrentCgroupId()
  oom_kills.add(cgroup, 1)
  kills.emit({
    cgroup,
    pid: u32(bpf.getCurrentPidTgid() >>> 32),
    victim: u32(ctx.pid),
    comm: bpf.getCurrentComm(),
  })
  return 0
})

export const license = 'GPL'
