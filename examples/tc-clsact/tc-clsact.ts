// A data plan for an interface, on kernels without TCX: node dist/examples/tc-clsact/tc-clsact.js eth0 [bytes]
// Takes CAP_BPF and CAP_NET_ADMIN. Linux 5.8; as root 4.17.
import { once } from 'node:events'
import { BpfObject, TcHook } from 'libbpf-node'

const [name = 'lo', bytes] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./tc-clsact.bpf.o', import.meta.url))
if (bytes !== undefined) obj.data.limit = BigInt(bytes)
await obj.load()

// The qdisc that filters hang on is made once, by whoever comes first.
const hook = new TcHook(name, 'egress')
const isOurs = hook.create()
const filter = hook.attach(obj.program('meter'))
console.log(`metering ${name}, filter ${filter.handle} of priority ${filter.priority}; Ctrl-C ends`)

const timer = setInterval(() => console.log(`${obj.bss.sent} bytes sent, ${obj.bss.dropped} dropped`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
// No link: it would stay when the process has ended.
filter.close()
if (isOurs) hook.destroy()
