// Measures how long a system call takes: node dist/examples/ksyscall/ksyscall.js [fsync]
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8 with kprobes.
import { BpfObject } from 'libbpf-node'

interface Call {
  pid: number
  comm: string
  result: bigint
  took_ns: bigint
}

const [name = 'fsync'] = process.argv.slice(2)

using obj = BpfObject.open(new URL('./ksyscall.bpf.o', import.meta.url))
await obj.load()

// The kernel function has a different name on each architecture: __x64_sys_fsync, __arm64_sys_fsync.
obj.program('on_call').attachKsyscall(name)
obj.program('on_return').attachKsyscall(name, { retprobe: true })
console.log(`watching ${name}; press Ctrl-C to stop`)

for await (const { pid, comm, result, took_ns } of obj.ringBuffer<Call>('calls', 'call')) {
  console.log(
    `${comm} (${pid}): ${name} took ${(Number(took_ns) / 1e6).toFixed(3)} ms and returned ${result}`,
  )
}
