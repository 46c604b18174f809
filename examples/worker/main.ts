// Reads a ring buffer in a Worker, so that events are handled while the main thread is busy with something else:
// node dist/examples/worker/main.js [SECONDS]
// Requires CAP_BPF and CAP_PERFMON. Linux 5.8.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { BpfObject } from 'libbpf-node'
import type { Report } from './worker.js'

const seconds = Number(process.argv[2] ?? 5)

using obj = BpfObject.open(new URL('./worker.bpf.o', import.meta.url))
await obj.load()

// A Worker shares the descriptors of its process. Another process would use BpfMap.fromId or BpfMap.fromPin.
const workerData = { fd: obj.map('events').fd }
const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData })
await once(worker, 'message')
obj.attach()

for (let second = 1; second <= seconds; second++) {
  const busyUntil = performance.now() + 1000
  while (performance.now() < busyUntil);

  worker.postMessage('report')
  const [{ counts, slowestMs }] = (await once(worker, 'message')) as [Report]
  const commands = [...counts].map(([comm, count]) => `${comm} ${count}`).join(', ')
  const slowest = counts.size > 0 ? `; the slowest was read after ${slowestMs.toFixed(1)} ms` : ''
  console.log(`second ${second}, spent busy: ${commands || 'nothing'} started${slowest}`)
}

await worker.terminate()
