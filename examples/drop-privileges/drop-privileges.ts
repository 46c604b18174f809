// An agent that loads and attaches its programs as root, then becomes an unprivileged user and keeps reading events.
// If someone takes over the process, it has no capabilities left:
// sudo node dist/examples/drop-privileges/drop-privileges.js [UID]
// Requires root with CAP_BPF, CAP_PERFMON, CAP_SETUID and CAP_SETGID. Linux 5.8.
import { readFileSync } from 'node:fs'
import { BpfObject } from 'libbpf-node'

const uid = Number(process.argv[2] ?? 65534)

using obj = BpfObject.open(new URL('./drop-privileges.bpf.o', import.meta.url))
await obj.load()
obj.attach()
// The map is mapped while we have the privileges; later reads need no bpf() system call.
using ring = obj.ringBuffer<{ pid: number; comm: string }>('events', 'event')

dropPrivileges(uid)
console.log(`uid ${process.getuid?.()}, capabilities ${capabilities().join(' ')}`)

for await (const { pid, comm } of ring) console.log(`${pid} ${comm}, program number ${obj.bss.executed}`)

/**
 * Changes the user. When a process gives up its last root user id, the kernel removes the capabilities of its threads.
 */
function dropPrivileges(uid: number): void {
  if (process.getuid?.() !== 0) throw new Error('start this as root')
  process.setgroups?.([])
  process.setgid?.(uid)
  process.setuid?.(uid)
  // That does not happen with SECBIT_NO_SETUID_FIXUP, or for the root of a user namespace, so we check.
  if (capabilities().some((set) => !/^0+$/.test(set))) throw new Error('the process still has capabilities')
}

/** The capabilities that are effective, permitted, inheritable and ambient. */
function capabilities(): string[] {
  const status = readFileSync('/proc/self/status', 'utf8')
  return [...status.matchAll(/^Cap(?:Eff|Prm|Inh|Amb):\s*(\w+)$/gm)].map(([, set]) => set ?? '')
}
