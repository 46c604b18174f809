// Restricts the processes of a cgroup to connections to one port:
// node dist/examples/cgroup/cgroup.js /sys/fs/cgroup/GROUP [port]
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 5.8.
import { once } from 'node:events'
import { BpfObject, queryCgroup } from 'libbpf-node'

const [cgroup, port = '443'] = process.argv.slice(2)
if (cgroup === undefined) throw new Error('usage: cgroup.js CGROUP [PORT]')

using obj = BpfObject.open(new URL('./cgroup.bpf.o', import.meta.url))
obj.rodata.allowed_port = Number(port)
await obj.load()
obj.program('connect4').attachCgroup(cgroup)

// The programs that run for this cgroup, including those of its parents.
const { programs } = queryCgroup(cgroup, 'cgroup_inet4_connect', { effective: true })
console.log(
  `${cgroup}: only port ${port} is allowed, checked by ${programs.length} program(s); press Ctrl-C to stop`,
)

const timer = setInterval(() => console.log(`${obj.bss.allowed} allowed, ${obj.bss.refused} refused`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
