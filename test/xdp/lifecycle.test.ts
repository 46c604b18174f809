// Sockets that end at any moment. What must not crash runs in a process of its own.
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { slowness } from '../helpers/slowness.js'
import { experimental, usePair } from './pair.js'

const pair = usePair()
/** `npm run test:lifecycle` sets 1000. Closing a queue takes the kernel up to 25 ms. */
const terminations = Number(process.env.LIBBPF_NODE_TERMINATIONS ?? (slowness > 1 ? 20 : 200))
const closed = terminations
const workers = Math.ceil(terminations / 5)
const deleted = Math.ceil(terminations / 10)

const head = `
  import { readdirSync, readlinkSync, readFileSync } from 'node:fs'
  import { setTimeout as sleep } from 'node:timers/promises'
  const { XdpSocket, XdpMemory } = await import('LIBBPF')
  const filter = { etherType: ${experimental} }
  const packet = new Uint8Array(64).fill(255, 0, 6)
  new DataView(packet.buffer).setUint16(12, ${experimental})
  const sockets = () => readdirSync('/proc/self/fd').filter((fd) => {
    try { return readlinkSync('/proc/self/fd/' + fd).startsWith('socket:') } catch { return false }
  }).length
  const rings = () => readFileSync('/proc/self/maps', 'utf8').split('\\n').filter((line) => line.includes('socket:')).length
`

async function run(script: string, seconds: number): Promise<string> {
  const library = JSON.stringify(new URL('../../dist/lib/xdp.js', import.meta.url).href).slice(1, -1)
  const { status, signal, stdout, stderr } = await runChild(
    `const head = ${JSON.stringify(head.replace('LIBBPF', library))}
     const [, a, b] = process.argv
     ${head.replace('LIBBPF', library).replace(/^ {2}import/gm, 'import')}
     ${script}`,
    [pair.a, pair.b],
    { node: ['--expose-gc'], seconds },
  )
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  return stdout
}

describe('AF_XDP sockets', () => {
  it(
    `leave nothing when they are closed in their callback with frames held, ${closed} times`,
    async () => {
      const stdout = await run(
        `const [before, mapped] = [sockets(), rings()]
         const memory = new XdpMemory({ frames: 256 })
         const own = { memory, fillSize: 64, rxSize: 64, txSize: 64 }
         const from = await XdpSocket.open(a, { redirect: false, frames: 256 })
         let held = 0
         for (let i = 0; i < ${closed}; i++) {
           const to = await XdpSocket.open(b, { filter, ...own })
           await new Promise((resolve) => {
             to.drain((batch) => {
               for (let k = 0; k < batch.length; k++) batch.keep(k)
               if (i % 2 === 0) { to.close(); resolve() }
               else setImmediate(() => { held += to.memory.counts.held; const { held: now } = to.memory.counts; to.close(); resolve(now) })
             })
             from.send(packet)
             from.send(packet)
           })
           for (let offset = 0; offset < 256 * 2048; offset += 2048) { try { memory.release(offset) } catch {} }
         }
         from.close()
         console.log(JSON.stringify([memory.counts, held > 0, sockets() - before, rings() - mapped]))`,
        200,
      )
      expect(JSON.parse(stdout)).toEqual([
        { free: 256, receiving: 0, inBatch: 0, held: 0, sending: 0 },
        true,
        0,
        0,
      ])
    },
    240_000 * slowness,
  )

  it(
    `end with their Worker, which is terminated at any moment, ${workers} times`,
    async () => {
      const stdout = await run(
        `const { Worker } = await import('node:worker_threads')
         const { once } = await import('node:events')
         const [before, mapped] = [sockets(), rings()]
         const from = await XdpSocket.open(a, { redirect: false, frames: 256 })
         const flood = setInterval(() => { for (let i = 0; i < 50; i++) from.send(packet) }, 1)
         const body = head + \`
           const socket = await XdpSocket.open('\${b}', { filter, frames: 256, fillSize: 64, interval: Math.random() < 0.5 ? 1 : 0 })
           const { parentPort } = await import('node:worker_threads')
           let seen = 0
           socket.drain((batch) => {
             for (let i = 0; i < batch.length; i++) { if (seen++ % 50 === 0) batch.keep(i); else batch.send(i) }
             if (seen > 20) parentPort.postMessage(1)
           })\`
         for (let i = 0; i < ${workers}; i++) {
           const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(body)))
           if (i % 4 === 0) await once(worker, 'online')
           else if (i % 4 === 1) await sleep(i % 40)
           else await Promise.race([once(worker, 'message'), once(worker, 'exit')])
           await worker.terminate()
         }
         clearInterval(flood)
         from.close()
         console.log(sockets() - before, rings() - mapped)`,
        200,
      )
      expect(stdout).toBe('0 0\n')
    },
    240_000 * slowness,
  )

  it(
    `get an error when their interface is deleted, ${deleted} times`,
    async () => {
      const stdout = await run(
        `const { execFileSync } = await import('node:child_process')
         const [before, mapped] = [sockets(), rings()]
         const codes = new Set()
         let seen = 0
         for (let i = 0; i < ${deleted}; i++) {
           execFileSync('sh', ['-c', 'ip link add lbxdel type veth peer name lbxdel2 && ip link set lbxdel up && ip link set lbxdel2 up'])
           const from = await XdpSocket.open('lbxdel2', { redirect: false, frames: 256 })
           const to = await XdpSocket.open('lbxdel', { filter, frames: 256, interval: i % 2 })
           for (let k = 0; k < 10; k++) from.send(packet)
           from.flush()
           const ended = (async () => { for await (const packets of to.batches()) seen += packets.length })().catch(({ code }) => codes.add(code))
           if (i === 0) await sleep(50)
           execFileSync('ip', ['link', 'del', 'lbxdel'])
           from.send(packet)
           await ended
           from.close()
           to.close()
         }
         console.log([...codes].join(), seen > 0, sockets() - before, rings() - mapped)`,
        200,
      )
      expect(stdout).toBe('ENETDOWN true 0 0\n')
    },
    240_000 * slowness,
  )

  it('are closed when the process exits with frames held', async () => {
    const stdout = await run(
      `const to = await XdpSocket.open(b, { filter })
       const from = await XdpSocket.open(a, { redirect: false })
       to.drain((batch) => { batch.keep(0); console.log('exits'); process.exit(0) })
       from.send(packet)`,
      20,
    )
    expect(stdout).toBe('exits\n')
  })
})
