// The Worker of main.ts: reads the ring, counts the programs that were started, and reports on request.
import { parentPort, workerData } from 'node:worker_threads'
import { BpfMap, BpfObject, RingBuffer } from 'libbpf-node'

interface Execution {
  time: bigint
  pid: number
  comm: string
}

/** The report for the main thread. */
export interface Report {
  /** How often each command was started. */
  counts: Map<string, number>
  /** The longest time between the start of a program and reading its record, in milliseconds. */
  slowestMs: number
}

let report: Report = { counts: new Map(), slowestMs: 0 }

// The object is not loaded here; it only provides the types of the records.
const object = BpfObject.open(new URL('./worker.bpf.o', import.meta.url))
const codec = object.codec<Execution>('execution')
object.close()

// The descriptor is duplicated, so closing the map of this thread does not affect the other.
const ring = new RingBuffer(BpfMap.fromFd(workerData.fd), { codec })
ring.on(({ time, comm }) => {
  report.counts.set(comm, (report.counts.get(comm) ?? 0) + 1)
  report.slowestMs = Math.max(report.slowestMs, Number(process.hrtime.bigint() - time) / 1e6)
})

parentPort!.on('message', () => {
  parentPort!.postMessage(report)
  report = { counts: new Map(), slowestMs: 0 }
})
parentPort!.postMessage('reading')
