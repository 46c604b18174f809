// The addon in Workers. Each test runs in a child process, which a crash would end.
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { objectPath } from '../helpers/objects.js'
import { slowness } from '../helpers/slowness.js'

/** `npm run test:lifecycle` sets 1000. */
const terminations = Number(process.env.LIBBPF_NODE_TERMINATIONS ?? 200)

/** The beginning of every script that a Worker runs. */
const inWorker = `
  import { parentPort } from 'node:worker_threads'
  import { setTimeout as sleep } from 'node:timers/promises'
  const { BpfObject, BpfMap, Pidfd, enableStats, setLogger } = await import('LIBBPF')
  const open = (name) => BpfObject.open('FOLDER' + name + '.bpf.o')
  const post = (message) => parentPort.postMessage(message)
`

/** Runs a script that can use `work(body)`, which starts a Worker, and `messageOf(worker)`. It must succeed. */
async function expectToEnd(script: string, seconds = 40): Promise<string> {
  const { status, signal, stdout, stderr } = await runChild(
    `import { once } from 'node:events'
     import { setTimeout as sleep } from 'node:timers/promises'
     import { Worker } from 'node:worker_threads'
     const start = ${JSON.stringify(inWorker)}
       .replace('LIBBPF', import.meta.resolve('libbpf-node')).replace('FOLDER', process.argv[1])
     const work = (body) => new Worker(new URL('data:text/javascript,' + encodeURIComponent(start + body)))
     const messageOf = async (worker) => {
       const [message] = await Promise.race([once(worker, 'message'), once(worker, 'exit').then(() => ['it ended'])])
       return message
     }
     ${script}`,
    [objectPath('maps').replace(/maps\.bpf\.o$/, '')],
    { node: ['--expose-gc'], seconds },
  )
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
  return stdout
}

const loadAndPost = `
  const object = open('maps'); await object.load()
  object.map('numbers').set(0, 7n)
  post(String(object.map('numbers').get(0)))
  object.close()
`

describe('the addon', () => {
  it('works in a Worker if the main thread has not loaded it', async () => {
    expect(await expectToEnd(`console.log(await messageOf(work(${JSON.stringify(loadAndPost)})))`)).toBe(
      '7\n',
    )
  })

  it('closes the descriptors that JavaScript has as numbers when the Worker ends', async () => {
    const body = `globalThis.held = [enableStats(), Pidfd.open(process.pid)]; post('open'); setInterval(() => {}, 1000)`
    const stdout = await expectToEnd(`
      const { readdirSync, readlinkSync } = await import('node:fs')
      const ours = () => readdirSync('/proc/self/fd')
        .filter((fd) => { try { return /pidfd|bpf/.test(readlinkSync('/proc/self/fd/' + fd)) } catch { return false } }).length
      const worker = work(${JSON.stringify(body)})
      await messageOf(worker)
      const during = ours()
      await worker.terminate()
      console.log(during, ours())
    `)
    expect(stdout).toBe('2 0\n')
  })

  it('works in a Worker, then on the main thread, then in another Worker', async () => {
    const stdout = await expectToEnd(`
      const body = ${JSON.stringify(loadAndPost)}
      const first = work(body)
      const firstEnds = once(first, 'exit')
      console.log(await messageOf(first))
      await firstEnds
      const { BpfObject } = await import('libbpf-node')
      const object = BpfObject.open(process.argv[1] + 'maps.bpf.o'); await object.load()
      console.log(object.loaded)
      const second = work(body)
      const secondEnds = once(second, 'exit')
      console.log(await messageOf(second))
      await secondEnds
      object.close()
    `)
    expect(stdout).toBe('7\ntrue\n7\n')
  })

  it('works in several Workers at once, and errors have the log of their own thread', async () => {
    const stdout = await expectToEnd(`
      const body = \`
        const wrong = []
        for (let i = 0; i < 30; i++) {
          for (const [name, says] of [['bad-core', 'no_such_field'], ['bad-pointer', 'map_value_or_null'], ['bad-huge-map', 'huge']]) {
            const object = open(name)
            const error = await object.load().catch((error) => error)
            if (!error.log.includes(says) || /prog '(?!on_exec)/.test(error.log)) wrong.push(error.log)
            object.close()
          }
          const object = open('maps'); await object.load(); object.close()
        }
        post(wrong.length)
      \`
      console.log((await Promise.all([work(body), work(body), work(body)].map(messageOf))).join())
    `)
    expect(stdout).toBe('0,0,0\n')
  })

  it("sends each thread's logger only the messages of its own calls", async () => {
    const stdout = await expectToEnd(`
      const listener = work("let heard = 0; setLogger(() => heard++, 'debug'); parentPort.once('message', () => { post(heard); setLogger(undefined) }); post('ready')")
      await messageOf(listener)
      const other = work("open('maps').loadSync(); post('loaded')")
      await messageOf(other)
      listener.postMessage('how many?')
      console.log(await messageOf(listener))
    `)
    expect(stdout).toBe('0\n')
  })
})

describe('a Worker', () => {
  it.each([
    ['while it loads', "open('slow').load(); post('now')"],
    [
      'while it loads and waits for that',
      "const o = open('slow'); const p = o.load(); post('now'); await p; post('loaded')",
    ],
    ['while many load', "for (let i = 0; i < 6; i++) open('slow').load(); post('now')"],
    [
      'while it loads in the foreground',
      "post('now'); for (;;) { const o = open('slow'); o.loadSync(); o.close() }",
    ],
    [
      'while a test run goes on',
      "const o = open('slow'); o.loadSync(); o.program('slow').testRun({ data: new Uint8Array(64), repeat: 50 }); post('now')",
    ],
    [
      'with links and a ring that is read',
      "const o = open('exec'); o.loadSync(); o.attach(); o.ringBuffer('events').on(() => {}); post('now')",
    ],
    [
      'with a ring that is iterated',
      "const o = open('exec'); o.loadSync(); post('now'); for await (const _ of o.ringBuffer('events')) {}",
    ],
    [
      'in a callback',
      "const o = open('ring'); o.loadSync(); o.ringBuffer('events').on(() => { post('now'); for (;;) {} }); o.program('emit').testRunSync({ data: new Uint8Array(64), repeat: 9 })",
    ],
    ['in a logger', "setLogger(() => { post('now'); for (;;) {} }, 'debug'); open('maps').loadSync()"],
    [
      'while it iterates a map',
      "const o = open('maps'); o.loadSync(); const m = o.map('points'); for (let i = 0; i < 9; i++) m.set(i, { x: 1, y: 1, label: '' }); post('now'); for (;;) for (const _ of m) {}",
    ],
    [
      'while entries are read on the pool',
      "const m = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4096, maxEntries: 1000 }); for (let i = 0; i < 1000; i++) m.set(new Uint8Array(Uint32Array.of(i).buffer), new Uint8Array(4096)); const walk = async () => { for (;;) for await (const _ of m) {} }; walk(); walk(); await sleep(3); post('now')",
    ],
    [
      'while it writes a mapped array',
      "const m = BpfMap.create({ type: 'array', keySize: 4, valueSize: 8, maxEntries: 9, flags: 1024 }); const a = m.mmap(); m.close(); post('now'); for (;;) a.items[8] = new Uint8Array(8)",
    ],
  ])('can be terminated %s', async (_, body) => {
    const stdout = await expectToEnd(`
      for (let i = 0; i < 3; i++) {
        const worker = work(${JSON.stringify(body)})
        console.log(await messageOf(worker))
        await worker.terminate()
      }
    `)
    expect(stdout).toBe('now\nnow\nnow\n')
  })

  it('can call process.exit with everything open, also in a callback', async () => {
    const stdout = await expectToEnd(`
      for (const body of [
        "const o = open('exec'); o.loadSync(); o.attach(); o.ringBuffer('events').on(() => {}); process.exit(4)",
        "const o = open('ring'); o.loadSync(); o.ringBuffer('events').on(() => process.exit(4)); o.program('emit').testRunSync({ data: new Uint8Array(64), repeat: 9 })",
        "open('slow').load(); process.exit(4)",
      ]) {
        const [code] = await once(work(body), 'exit')
        console.log(code)
      }
    `)
    expect(stdout).toBe('4\n4\n4\n')
  })

  it('leaves nothing in the kernel when it is terminated', async () => {
    const stdout = await expectToEnd(`
      const { ids } = await import('libbpf-node')
      const worker = work("const o = open('exec'); o.loadSync(); const [link] = o.attach(); o.ringBuffer('events').on(() => {}); post([link.info().id, o.program('on_exec').id, o.map('events').id])")
      const [link, program, map] = await messageOf(worker)
      const there = () => [[...ids('link')].includes(link), [...ids('program')].includes(program), [...ids('map')].includes(map)]
      console.log(there().join())
      await worker.terminate()
      for (let i = 0; i < 200 && there().includes(true); i++) await sleep(10)
      console.log(there().join())
    `)
    expect(stdout).toBe('true,true,true\nfalse,false,false\n')
  })

  it(
    'can be terminated at any moment, many times',
    async () => {
      const stdout = await expectToEnd(
        `
      import { readdirSync, readlinkSync } from 'node:fs'
      const bodies = [
        "post('begun'); const o = open('exec'); o.load().then(() => { o.attach(); o.ringBuffer('events').on(() => {}) })",
        "post('begun'); const o = open('ring'); o.loadSync(); const r = o.ringBuffer('events'); r.on(() => {}); setInterval(() => o.program('emit').testRunSync({ data: new Uint8Array(64), repeat: 20 }), 1)",
        "post('begun'); for (;;) { const o = open('maps'); await o.load(); o.close() }",
      ]
      // Files are not counted: Node leaks those of modules that a Worker was reading.
      const fds = () => readdirSync('/proc/self/fd').filter((fd) => {
        try { return readlinkSync('/proc/self/fd/' + fd).startsWith('anon_inode:') } catch { return false }
      }).length
      let before
      for (let i = 0; i < ${terminations}; i += 2) {
        const pair = [work(bodies[i % 3]), work(bodies[(i + 1) % 3])]
        // Nine of ten Workers get to work; one is stopped while it starts.
        if (i % 20 !== 0) await Promise.all(pair.map(messageOf))
        await sleep(i % 7)
        await Promise.all(pair.map((worker) => worker.terminate()))
        if (i === 20) before = fds()
      }
      console.log(fds() - before)
    `,
        0.3 * terminations,
      )
      expect(stdout).toBe('0\n')
    },
    1000 * slowness * (0.3 * terminations + 10),
  )
})
