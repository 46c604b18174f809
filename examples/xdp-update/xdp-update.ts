// A gate that is shut for UDP and opened again while packets come: node dist/examples/xdp-update/xdp-update.js eth0; kill -HUP its process
// Takes CAP_BPF and CAP_NET_ADMIN. Linux 5.9; before 6.6 with CAP_PERFMON, too, to look into frames.
import { once } from 'node:events'
import { BpfObject, queryXdp } from 'libbpf-node'

const [name = 'lo'] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./xdp-update.bpf.o', import.meta.url))
await obj.load()
// Native where the driver can do it, and else generic; `{ mode: 'native' }` would take nothing less.
const link = obj.program('open_gate').attachXdp(name)
console.log(`process ${process.pid} keeps the gate of ${name}, ${link.mode} XDP; Ctrl-C ends`)

let isOpen = true
process.on('SIGHUP', () => {
  isOpen = !isOpen
  // Atomic: each packet is seen by the old program or by the new one.
  link.update(obj.program(isOpen ? 'open_gate' : 'shut_gate'))
  console.log(`it is ${isOpen ? 'open' : 'shut'}: program ${queryXdp(name).programId}`)
})

const timer = setInterval(() => console.log(`${obj.bss.passed} passed, ${obj.bss.dropped} dropped`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
