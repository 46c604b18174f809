// The Worker of main.ts: reads the ring, counts what was executed, and tells when it is asked.
import { parentPort, workerData } from 'node:worker_threads'
import { BpfMap, BpfObject, RingBuffer } from 'libbpf-node'

interface Execution {
  time: bigint
  pid: number
  comm: string
}

/** What the main thread gets. */
export interface Report {
  /** How often each command was executed. */
  counts: Map<string, number>
  /** Milliseconds between an execution and the time when its record was read, at the most. */
  slowestMs: number
}

let report: Report = { counts: new Map(), slowestMs: 0 }

// It is not loaded here: this is where the types of the records come from.
const object = BpfObject.open(new URL('./worker.bpf.o', import.meta.url))
const codec = object.codec<Execution>('execution')
object.close()

// The descriptor is copied, so this thread's map is closed on its own.
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
