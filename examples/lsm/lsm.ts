// Denies network access to the processes of a cgroup: node dist/examples/lsm/lsm.js /sys/fs/cgroup/GROUP
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8, for arm64 6.4, booted with lsm=...,bpf. Processes outside of the
// cgroup are not affected.
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { BpfObject } from 'libbpf-node'

const [cgroup] = process.argv.slice(2)
if (cgroup === undefined) throw new Error('usage: lsm.js CGROUP')

using obj = BpfObject.open(new URL('./lsm.bpf.o', import.meta.url))
obj.rodata.cgroup_id = statSync(cgroup, { bigint: true }).ino

// Kernels also attach LSM programs that they will never run, so we check instead of feeling safe.
const refusal = obj.program('on_socket').refusal()
if (refusal !== undefined) throw refusal
await obj.load()
obj.program('on_socket').attachLsm()
console.log(`${cgroup}: only AF_UNIX sockets are allowed; press Ctrl-C to stop`)

const timer = setInterval(() => console.log(`${obj.bss.allowed} allowed, ${obj.bss.refused} refused`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
