// Two producers at full speed, each with a ring of its own, and one reader of both, which has to account for every
// record:
//
//     npm run test:soak [-- RECORDS]     100 million by default
//
// Prints the results as JSON. Exits with status 1 if the sum of received and lost records is not the number of sent
// ones, a record was torn, out of order or received twice, or memory has grown.
import { BpfObject } from 'libbpf-node'

const total = Number(process.argv[2] ?? 100_000_000)
if (!(total >= 1000)) throw new RangeError('RECORDS is a number of at least 1000')

const packet = new Uint8Array(64)
/** Records of a test run: short enough to look at memory in between, long enough to be at full speed. */
const chunk = Math.min(1_000_000, total / 10)
const mostGrowth = 8 << 20

const object = BpfObject.open(new URL('../../dist/test/bpf/events-soak.bpf.o', import.meta.url))
await object.load()
const reader = object.ringBuffer('one')
reader.add(object.map('two'), object.map('two_lost'))

const received = [0, 0, 0]
const next = [0, 0, 0]
const wrong = { torn: 0, order: 0 }
reader.drain((view, offset, length) => {
  const low = view.getUint32(offset, true)
  const number = view.getUint32(offset + 4, true) * 2 ** 32 + low
  const producer = view.getUint32(offset + 8, true)
  const check = Math.imul(low, 2654435761) >>> 0
  if (length !== 16 || view.getUint32(offset + 12, true) !== check) wrong.torn++
  if (number < next[producer]) wrong.order++
  next[producer] = number + 1
  received[producer]++
})

const rss = []
async function produce(name) {
  const program = object.program(name)
  for (let left = total / 2; left > 0; left -= chunk) {
    await program.testRun({ data: packet, repeat: Math.min(left, chunk) })
    rss.push(process.memoryUsage.rss())
  }
}
const start = performance.now()
await Promise.all([produce('produce_one'), produce('produce_two')])
reader.consume()
const seconds = (performance.now() - start) / 1000

// After a fifth of the records, all caches have reached their size.
const settled = Math.max(...rss.slice(0, Math.ceil(rss.length / 5)))
const growth = Math.max(...rss) - settled
const result = {
  sent: Number(object.bss.sent_one + object.bss.sent_two),
  received: received[1] + received[2],
  byProducer: received.slice(1),
  lost: Number(reader.lost),
  ...wrong,
  seconds: Math.round(seconds * 10) / 10,
  rssMiB: Math.round(settled / 2 ** 20),
  growthMiB: Math.round((growth / 2 ** 20) * 10) / 10,
}
reader.close()
object.close()
console.log(JSON.stringify(result))

const whole = result.sent === total && result.received + result.lost === result.sent
const sound = wrong.torn === 0 && wrong.order === 0 && received[0] === 0
if (!whole || !sound || growth > mostGrowth) process.exitCode = 1
