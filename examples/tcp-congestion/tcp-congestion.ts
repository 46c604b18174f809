// Adds a congestion control for TCP that is written in BPF: node dist/examples/tcp-congestion/tcp-congestion.js
// Requires CAP_BPF and CAP_PERFMON. Linux 6.4. Sockets use it if they ask for it with setsockopt(TCP_CONGESTION), or
// all new sockets after
// sysctl -w net.ipv4.tcp_congestion_control=bpf_counted
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { BpfObject } from 'libbpf-node'

using obj = BpfObject.open(new URL('./tcp-congestion.bpf.o', import.meta.url))
await obj.load()
// The struct of functions is a map, which is attached. TCP knows its name until the link is closed.
obj.map('counted').attachStructOps()

const available = readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8').trim()
console.log(`TCP can use ${available}; press Ctrl-C to stop`)

const report = () => console.log(`${obj.bss.connections} connections, ${obj.bss.losses} losses`)
const timer = setInterval(report, 1000)
await once(process, 'SIGINT')
clearInterval(timer)
