// Removes old entries of a map with a single system call: node dist/examples/syscall/syscall.js [entries]
// Requires CAP_BPF. Linux 5.14.
import { BpfObject } from 'libbpf-node'

const [entries = '100000'] = process.argv.slice(2)
const second = 1_000_000_000n

using obj = BpfObject.open(new URL('./syscall.bpf.o', import.meta.url))
await obj.load()

// Each entry was last seen 0 to 59 seconds ago, by the clock of bpf_ktime_get_ns().
const lastSeen = obj.map<number, bigint>('last_seen')
const now = process.hrtime.bigint()
lastSeen.setMany(Array.from({ length: Number(entries) }, (_, i) => [i, now - BigInt(i % 60) * second]))

// The program gets its arguments in a struct and writes its results into it.
const codec = obj.codec<{ before: bigint; seen: bigint; removed: bigint }>('sweep')
const context = codec.encodeBytes({ before: now - 29n * second, seen: 0n, removed: 0n })
const start = process.hrtime.bigint()
const result = await obj.program('sweep').testRun({ context })
const took = Number(process.hrtime.bigint() - start) / 1e6

const { seen, removed } = codec.decodeBytes(result.context)
console.log(`checked ${seen} entries and removed ${removed} in ${took.toFixed(1)} ms`)
