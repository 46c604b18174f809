// Reports slow calls of library functions:
// node dist/examples/uprobe-session/uprobe-session.js MILLISECONDS libc.so.6 fsync getaddrinfo
// Requires CAP_BPF and CAP_PERFMON. Linux 6.13.
import { BpfObject } from 'libbpf-node'

interface Call {
  pid: number
  comm: string
  function: bigint
  took_ns: bigint
}

const [milliseconds, binary, ...symbols] = process.argv.slice(2)
if (binary === undefined || symbols.length === 0) {
  throw new Error('usage: uprobe-session.js MILLISECONDS BINARY FUNCTION...')
}

using obj = BpfObject.open(new URL('./uprobe-session.bpf.o', import.meta.url))
obj.rodata.at_least_ns = BigInt(Number(milliseconds) * 1e6)
await obj.load()
const options = { symbols, cookies: symbols.keys(), session: true }
const link = await obj.program('on_call').attachUprobeMulti(binary, options)
console.log(`watching ${symbols.length} functions of ${link.target}; press Ctrl-C to stop`)

for await (const call of obj.ringBuffer<Call>('calls', 'call')) {
  const took = `${(Number(call.took_ns) / 1e6).toFixed(3)} ms`
  console.log(`${call.comm} (${call.pid}): ${symbols[Number(call.function)]} took ${took}`)
}
