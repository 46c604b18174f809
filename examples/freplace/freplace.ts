// Reports programs that are started, with a filter that works like a plug-in:
// node dist/examples/freplace/freplace.js UID
// Send the process SIGHUP to insert the filter, and again to remove it.
// Requires CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH. Linux 5.10 with BTF, for arm64 6.0, not hardened, and with tracefs
// mounted. CAP_SYS_ADMIN is needed to read the types of a loaded program.
import { BpfObject, type Link } from 'libbpf-node'

interface Exec {
  pid: number
  uid: number
  comm: string
}

const [uid] = process.argv.slice(2)
if (uid === undefined) throw new Error('usage: freplace.js UID')

using obj = BpfObject.open(new URL('./execs.bpf.o', import.meta.url))
await obj.load()
obj.attach()

// The verifier checks it against the program that it is for.
using plugin = BpfObject.open(new URL('./freplace.bpf.o', import.meta.url))
plugin.rodata.only = Number(uid)
plugin.program('by_user').setAttachTarget('wanted', obj.program('on_exec').fd)
await plugin.load()

let link: Link | undefined
process.on('SIGHUP', () => {
  if (link === undefined) {
    link = plugin.program('by_user').attachFreplace(obj.program('on_exec'), 'wanted')
  } else {
    link.close()
    link = undefined
  }
  console.log(`now reporting programs of ${link === undefined ? 'all users' : `user ${uid} only`}`)
})

console.log(`process ${process.pid} reports programs of all users; press Ctrl-C to stop`)
for await (const { pid, uid, comm } of obj.ringBuffer<Exec>('execs', 'exec')) {
  console.log(`user ${uid} runs ${comm} (${pid})`)
}
