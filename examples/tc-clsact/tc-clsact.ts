// Limits how much data an interface may send, on kernels without TCX:
// node dist/examples/tc-clsact/tc-clsact.js eth0 [bytes]
// Requires CAP_BPF and CAP_NET_ADMIN. Linux 5.8; as root 4.17.
import { once } from 'node:events'
import { BpfObject, TcHook } from 'libbpf-node'

const [name = 'lo', bytes] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./tc-clsact.bpf.o', import.meta.url))
if (bytes !== undefined) obj.data.limit = BigInt(bytes)
await obj.load()

// Filters are attached to a qdisc, which the first program on an interface creates.
const hook = new TcHook(name, 'egress')
const isOurs = hook.create()
const filter = hook.attach(obj.program('meter'))
console.log(
  `metering ${name}, filter ${filter.handle} with priority ${filter.priority}; press Ctrl-C to stop`,
)

const timer = setInterval(() => console.log(`${obj.bss.sent} bytes sent, ${obj.bss.dropped} dropped`), 1000)
await once(process, 'SIGINT')
clearInterval(timer)
// There is no link: without this, the filter would stay when the process has ended.
filter.close()
if (isOurs) hook.destroy()
