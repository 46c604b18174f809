// A gate that drops UDP packets and is opened again without missing one:
// node dist/examples/xdp-update/xdp-update.js eth0
// Send the process SIGHUP to open or shut it.
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 5.9; before 6.6 also CAP_PERFMON, to read packets.
import { once } from 'node:events'
import { BpfObject, queryXdp } from 'libbpf-node'

const [name = 'lo'] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./xdp-update.bpf.o', import.meta.url))
await obj.load()
// Native if the driver supports it, otherwise generic; `{ mode: 'native' }` would accept nothing else.
const link = obj.program('open_gate').attachXdp(name)
console.log(`process ${process.pid} controls the gate of ${name}, ${link.mode} XDP; press Ctrl-C to stop`)

let isOpen = true
process.on('SIGHUP', () => {
  isOpen = !isOpen
  // The update is atomic: the old program or the new one sees each packet.
  link.update(obj.program(isOpen ? 'open_gate' : 'shut_gate'))
  console.log(`the gate is ${isOpen ? 'open' : 'shut'}: program ${queryXdp(name).programId}`)
})

const timer = setInterval(() => console.log(`${obj.bss.passed} passed, ${obj.bss.dropped} dropped`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
