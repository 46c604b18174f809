// Run by other versions of Node.js: checks that import and require return the same library, and that events arrive.
import { createRequire } from 'node:module'
import { BpfObject } from 'libbpf-node'

const required = createRequire(import.meta.url)('libbpf-node')
if (required.BpfObject !== BpfObject) throw new Error('require() and import return different libraries')

const object = BpfObject.open('dist/test/bpf/ring.bpf.o')
await object.load()
const ring = object.ringBuffer('events', 'record')
const arrived = new Promise((resolve) => {
  ring.on((record) => {
    if (record.number === 999n) resolve(record.number + 1n)
  })
})
object.program('emit').testRunSync({ data: new Uint8Array(64), repeat: 1000 })
const events = await arrived
ring.close()
object.close()
const { bun, deno, node } = process.versions
const runtime = bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node.js ${node}`
process.stdout.write(`${runtime}: imported, required, ${events} events\n`)
