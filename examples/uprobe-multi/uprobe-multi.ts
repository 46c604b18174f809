// Counts the calls of several functions of a library:
// node dist/examples/uprobe-multi/uprobe-multi.js libc.so.6 malloc calloc realloc free
// Requires CAP_BPF and CAP_PERFMON. Linux 6.6.
import { once } from 'node:events'
import { BpfObject } from 'libbpf-node'

const [binary, ...symbols] = process.argv.slice(2)
if (binary === undefined || symbols.length === 0) throw new Error('usage: uprobe-multi.js BINARY FUNCTION...')

using obj = BpfObject.open(new URL('./uprobe-multi.bpf.o', import.meta.url))
const calls = obj.map<number, bigint>('calls')
calls.maxEntries = symbols.length
await obj.load()
// One link for all of them, with a number for each that the program receives.
const link = await obj.program('on_call').attachUprobeMulti(binary, { symbols, cookies: symbols.keys() })
console.log(`watching ${symbols.length} functions of ${link.target}; press Ctrl-C to stop`)

const timer = setInterval(() => {
  for (const [index, count] of calls) console.log(`${String(count).padStart(10)}  ${symbols[index]}`)
}, 1000)
await once(process, 'SIGINT')
clearInterval(timer)
