// Lets the servers of a cgroup bind to the loopback interface only:
// node dist/examples/lsm-cgroup/lsm-cgroup.js /sys/fs/cgroup/GROUP
// Requires CAP_BPF and CAP_PERFMON. Linux 6.0, booted with lsm=...,bpf, for arm64 6.4, and not hardened.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const [cgroup] = process.argv.slice(2)
if (cgroup === undefined) throw new Error('usage: lsm-cgroup.js CGROUP')

using obj = BpfObject.open(new URL('./lsm-cgroup.bpf.o', import.meta.url))
// Kernels also attach LSM programs that they will never run.
const refusal = obj.program('on_bind').refusal()
if (refusal !== undefined) throw refusal
await obj.load()
// The kernel only calls it for this cgroup and its children, so the program need not compare anything.
obj.program('on_bind').attachCgroup(cgroup)
console.log(`${cgroup}: servers may only use the loopback interface; press Ctrl-C to stop`)

const timer = setInterval(() => console.log(`${obj.bss.allowed} allowed, ${obj.bss.refused} refused`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
