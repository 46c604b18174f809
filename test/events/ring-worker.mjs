// Reads a ring in a Worker. It reports the first record, and, after `until` records, everything that it has read.

import { parentPort, workerData } from 'node:worker_threads'
import { BpfMap, RingBuffer } from 'libbpf-node'

const { fd, id, path, until, slow } = workerData
const map = fd !== undefined ? BpfMap.fromFd(fd) : id !== undefined ? BpfMap.fromId(id) : BpfMap.fromPin(path)
const ring = new RingBuffer(map, { batchSize: 16 })
const numbers = []
parentPort.postMessage('ready')
for await (const record of ring) {
  numbers.push(Number(new DataView(record.buffer).getBigUint64(0, true)))
  if (numbers.length === 1) parentPort.postMessage('reads')
  if (numbers.length === until) break
  if (slow) await new Promise((resolve) => setTimeout(resolve, 1))
}
ring.close()
map.close()
parentPort.postMessage(numbers)
