// One of everything, some of it closed, in a process that ends by itself: then all memory has to be freed (npm run test:asan). After
// process.exit(), which is how test runners end, it's not.
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { BpfMap, BpfObject, Btf, features, Linker, setLogger } from 'libbpf-node'

const path = (name) => fileURLToPath(new URL(`../../dist/test/bpf/${name}.bpf.o`, import.meta.url))
const open = (name, options) => BpfObject.open(path(name), options)
const inVain = (work) => {
  try {
    work()
  } catch {}
}

for (const ends of ['closed', 'forgotten']) {
  const close = (...owners) => {
    if (ends === 'closed') for (const owner of owners) owner.close()
  }

  setLogger(() => {}, 'debug')
  const maps = open('maps', { kernelLogSize: 1 << 16, kernelLogLevel: 1 })
  await maps.load()
  setLogger(undefined)
  const points = maps.map('points')
  for (let i = 0; i < 8; i++) points.set(i, { x: i, y: 0, label: '' })
  ;[...points]
  for await (const _ of points) break
  const array = BpfMap.create({ type: 'array', keySize: 4, valueSize: 8, maxEntries: 9, flags: 1 << 10 })
  const memory = array.mmap()
  memory.items[8] = new Uint8Array(8)
  close(memory, array, maps)

  const exec = open('exec')
  exec.loadSync()
  inVain(() => exec.attach())
  exec
    .ringBuffer('events')
    .on(() => {})
    .unref()
  close(exec)
  const ring = open('ring')
  ring.loadSync()
  const reader = ring.ringBuffer('events')
  reader.on(() => reader.close())
  ring.program('emit').testRunSync({ data: new Uint8Array(64), repeat: 9 })
  await ring.program('emit').testRun({ data: new Uint8Array(64), repeat: 9 })
  close(ring)
  const perf = open('events-perf')
  perf.loadSync()
  const perfBuffer = perf.perfBuffer('events', undefined, { pages: 1 })
  perfBuffer.on(() => {}).unref()
  const user = open('events-user')
  user.loadSync()
  const [userMap] = [...user.maps.values()].filter(({ type }) => type === 'user_ringbuf')
  const userRing = user.userRingBuffer(userMap.name)
  close(perfBuffer, perf, userRing, user)

  for (const name of ['bad-core', 'bad-pointer', 'bad-huge-map', 'bad-section', 'bad-externs']) {
    const bad = open(name)
    await bad.load().catch(() => {})
    close(bad)
  }
  inVain(() => BpfObject.open(new Uint8Array(100)))
  const btf = Btf.fromKernel()
  btf.toC(['task_struct'])
  inVain(() => Btf.fromBytes(new Uint8Array(100)))
  close(btf)
  const linker = new Linker()
  await linker.add(path('linked-main'))
  await linker.add(path('linked-library'))
  await linker.finalize()
  inVain(() => Linker.linkSync([new Uint8Array(100)]))
  close(linker)
  await features.all()

  const worker = new Worker(
    `const { BpfObject } = require(${JSON.stringify(fileURLToPath(import.meta.resolve('libbpf-node')))})
     const o = BpfObject.open(${JSON.stringify(path('exec'))}); o.loadSync(); o.ringBuffer('events').on(() => {})
     require('node:worker_threads').parentPort.postMessage('now')`,
    { eval: true },
  )
  await new Promise((resolve) => worker.once('message', resolve).once('error', resolve))
  await worker.terminate()
}
