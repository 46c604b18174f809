// Counts how often processes reach a static probe (USDT): node dist/examples/usdt/usdt.js libc.so.6 libc setjmp [pid]
// Requires CAP_SYS_ADMIN. Linux 5.8; before 5.15, libraries and position-independent executables require a pid. Since
// 6.6, CAP_BPF and CAP_PERFMON are enough.
// 'readelf -n FILE' lists the probes (stapsdt) of a file.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const [binary, provider, name, pid] = process.argv.slice(2)
if (binary === undefined || provider === undefined || name === undefined) {
  throw new Error('usage: usdt.js BINARY PROVIDER NAME [PID]')
}

using obj = BpfObject.open(new URL('./usdt.bpf.o', import.meta.url))
await obj.load()
const options = pid === undefined ? {} : { pid: Number(pid) }
const link = obj.program('on_probe').attachUsdt(binary, provider, name, options)
console.log(`watching ${link.target}; press Ctrl-C to stop`)

const visitors = obj.map<number, { comm: string; count: bigint; last: bigint }>('visitors')
const timer = setInterval(() => {
  for (const [pid, { comm, count, last }] of visitors) console.log(`${comm} (${pid}): ${count}, last ${last}`)
}, 1000)
await once(process, 'SIGINT')
clearInterval(timer)
