// An agent that is root for as long as it takes to load and attach, and then nobody: it goes on reading events, and whoever takes it over has no
// capability left: sudo node dist/examples/drop-privileges/drop-privileges.js [UID]
// Takes root with CAP_BPF, CAP_PERFMON, CAP_SETUID and CAP_SETGID. Linux 5.8.
import { readFileSync } from 'node:fs'
import { BpfObject } from 'libbpf-node'

const uid = Number(process.argv[2] ?? 65534)

using obj = BpfObject.open(new URL('./drop-privileges.bpf.o', import.meta.url))
await obj.load()
obj.attach()
// Mapped while we may: from here on reading is no system call of BPF's.
using ring = obj.ringBuffer<{ pid: number; comm: string }>('events', 'event')

dropPrivileges(uid)
console.log(`uid ${process.getuid?.()}, capabilities ${capabilities().join(' ')}`)

for await (const { pid, comm } of ring) console.log(`${pid} ${comm}, number ${obj.bss.executed}`)

/** The kernel takes all capabilities from a process, each of its threads, whose last user id that is root's goes. */
function dropPrivileges(uid: number): void {
  if (process.getuid?.() !== 0) throw new Error('start this as root')
  process.setgroups?.([])
  process.setgid?.(uid)
  process.setuid?.(uid)
  // Not so with SECBIT_NO_SETUID_FIXUP, or where the user id was root's of a user namespace: see, rather than believe.
  if (capabilities().some((set) => !/^0+$/.test(set))) throw new Error('there are capabilities left')
}

/** What the process may do (effective), could take (permitted), and hands on (inheritable, ambient). */
function capabilities(): string[] {
  const status = readFileSync('/proc/self/status', 'utf8')
  return [...status.matchAll(/^Cap(?:Eff|Prm|Inh|Amb):\s*(\w+)$/gm)].map(([, set]) => set ?? '')
}
