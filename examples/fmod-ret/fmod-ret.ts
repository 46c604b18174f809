// Guards a process against everybody's signals, root's too: node dist/examples/fmod-ret/fmod-ret.js PID
// Takes CAP_BPF and CAP_PERFMON. Linux 5.8 with BTF, for arm64 6.4, and not hardened. What LSM programs do, without lsm=...,bpf.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const [pid] = process.argv.slice(2)
if (pid === undefined) throw new Error('usage: fmod-ret.js PID')

using obj = BpfObject.open(new URL('./fmod-ret.bpf.o', import.meta.url))
obj.rodata.guarded = Number(pid)
await obj.load()
obj.program('on_kill').attachTracing()
console.log(`guarding ${pid}; Ctrl-C ends`)

const timer = setInterval(() => console.log(`${obj.bss.refused} refused`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
