// Removes old entries of a map by one system call: node dist/examples/syscall/syscall.js [entries]
// Takes CAP_BPF. Linux 5.14.
import { BpfObject } from 'libbpf-node'

const [entries = '100000'] = process.argv.slice(2)
const second = 1_000_000_000n

using obj = BpfObject.open(new URL('./syscall.bpf.o', import.meta.url))
await obj.load()

// Who was last seen when: 0 to 59 seconds ago. The clock is that of bpf_ktime_get_ns().
const lastSeen = obj.map<number, bigint>('last_seen')
const now = process.hrtime.bigint()
lastSeen.setMany(Array.from({ length: Number(entries) }, (_, i) => [i, now - BigInt(i % 60) * second]))

// The program gets its arguments as a structure, and leaves its answers there.
const codec = obj.codec<{ before: bigint; seen: bigint; removed: bigint }>('sweep')
const context = codec.encodeBytes({ before: now - 29n * second, seen: 0n, removed: 0n })
const start = process.hrtime.bigint()
const result = await obj.program('sweep').testRun({ context })
const took = Number(process.hrtime.bigint() - start) / 1e6

const { seen, removed } = codec.decodeBytes(result.context)
console.log(`looked at ${seen} entries and removed ${removed} in ${took.toFixed(1)} ms`)
