// Counts the calls of kernel functions that match a pattern:
// node dist/examples/kprobe-multi/kprobe-multi.js 'vfs_*' [seconds]
// Requires CAP_BPF, CAP_PERFMON, CAP_SYSLOG and CAP_DAC_READ_SEARCH. Linux 5.18, for arm64 6.14, with CONFIG_FPROBE and
// tracefs mounted. The last two are needed for the names of functions.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { BpfObject } from 'libbpf-node'

const [pattern = 'vfs_*', seconds = '3'] = process.argv.slice(2)

await using obj = BpfObject.open(new URL('./kprobe-multi.bpf.o', import.meta.url))
await obj.load()
// Attaches to all of them with one call, which takes a while and so runs on another thread.
const link = await obj.program('on_call').attachKprobeMulti({ pattern })
const info = link.info()
console.log(`counting ${info.type === 'kprobe_multi' ? info.count : ''} functions for ${seconds} s`)
await sleep(Number(seconds) * 1000)

const names = new Map<bigint, string>()
for (const line of readFileSync('/proc/kallsyms', 'latin1').split('\n')) {
  const [address, type, name] = line.split(/\s/)
  if (type === 't' || type === 'T') names.set(BigInt(`0x${address}`), name!)
}
const calls = [...obj.map<bigint, bigint>('calls')].sort((a, b) => Number(b[1] - a[1]))
for (const [address, count] of calls.slice(0, 20)) {
  console.log(`${String(count).padStart(10)}  ${names.get(address) ?? `0x${address.toString(16)}`}`)
}
