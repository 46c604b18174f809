// A process that only reads a ring, found by the id of its map. It reports how busy it was for a second, and then the
// record that has come.
import { BpfMap, RingBuffer } from 'libbpf-node'

const ring = new RingBuffer(BpfMap.fromId(Number(process.argv[2])))
ring.on((record) => {
  process.send({ record: [...record] })
  ring.close()
  process.disconnect()
})
// The CPU time of the start does not count.
setTimeout(() => {
  const start = performance.now()
  const before = process.cpuUsage()
  setTimeout(() => {
    const { user, system } = process.cpuUsage(before)
    process.send({ busy: (user + system) / 1000 / (performance.now() - start) })
  }, 1000)
}, 200)
