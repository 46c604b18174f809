// A process that does nothing but read a ring, by its map's id. It says how busy it was for a second, and what came in the end.
import { BpfMap, RingBuffer } from 'libbpf-node'

const ring = new RingBuffer(BpfMap.fromId(Number(process.argv[2])))
ring.on((record) => {
  process.send({ record: [...record] })
  ring.close()
  process.disconnect()
})
// What starting takes is not meant.
setTimeout(() => {
  const start = performance.now()
  const before = process.cpuUsage()
  setTimeout(() => {
    const { user, system } = process.cpuUsage(before)
    process.send({ busy: (user + system) / 1000 / (performance.now() - start) })
  }, 1000)
}, 200)
