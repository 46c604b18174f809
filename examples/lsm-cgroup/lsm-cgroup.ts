// Lets the servers of a cgroup bind to the loopback only: node dist/examples/lsm-cgroup/lsm-cgroup.js /sys/fs/cgroup/GROUP
// Takes CAP_BPF and CAP_PERFMON. Linux 6.0, booted with lsm=...,bpf, for arm64 6.4, and not hardened.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const [cgroup] = process.argv.slice(2)
if (cgroup === undefined) throw new Error('usage: lsm-cgroup.js CGROUP')

using obj = BpfObject.open(new URL('./lsm-cgroup.bpf.o', import.meta.url))
// Kernels attach LSM programs that they would never run.
const refusal = obj.program('on_bind').refusal()
if (refusal !== undefined) throw refusal
await obj.load()
// The kernel calls it for that cgroup and what is in it: the program has nothing to compare.
obj.program('on_bind').attachCgroup(cgroup)
console.log(`${cgroup}: servers on the loopback only; Ctrl-C ends`)

const timer = setInterval(() => console.log(`${obj.bss.allowed} allowed, ${obj.bss.refused} refused`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
