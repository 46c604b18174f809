// A congestion control for TCP, written in BPF: node dist/examples/tcp-congestion/tcp-congestion.js
// Takes CAP_BPF and CAP_PERFMON. Linux 6.4. Sockets use it that ask for it: setsockopt(TCP_CONGESTION), or all new ones after
// sysctl -w net.ipv4.tcp_congestion_control=bpf_counted
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { BpfObject } from 'libbpf-node'

using obj = BpfObject.open(new URL('./tcp-congestion.bpf.o', import.meta.url))
await obj.load()
// The struct of functions is a map, which is attached; its name is there until the link is closed.
obj.map('counted').attachStructOps()

const available = readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8').trim()
console.log(`TCP has ${available}; Ctrl-C ends`)

const report = () => console.log(`${obj.bss.connections} connections, ${obj.bss.losses} losses`)
const timer = setInterval(report, 1000)
await once(process, 'SIGINT')
clearInterval(timer)
