// Protects a process from all signals, even from those of root: node dist/examples/fmod-ret/fmod-ret.js PID
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8 with BTF, for arm64 6.4, and not hardened. It does what an LSM program
// can do, on kernels that were booted without lsm=...,bpf.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const [pid] = process.argv.slice(2)
if (pid === undefined) throw new Error('usage: fmod-ret.js PID')

using obj = BpfObject.open(new URL('./fmod-ret.bpf.o', import.meta.url))
obj.rodata.guarded = Number(pid)
await obj.load()
obj.program('on_kill').attachTracing()
console.log(`protecting process ${pid}; press Ctrl-C to stop`)

const timer = setInterval(() => console.log(`${obj.bss.refused} signals refused`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
