// Every stage of the life of an object, ended in every possible way. What could crash runs in a child process.
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { BpfObject, type Link } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { type ChildOptions, type ChildResult, runChild } from '../helpers/child.js'
import { load, objectPath, open } from '../helpers/objects.js'
import { useTracefs } from '../helpers/privileged.js'
import { slowness } from '../helpers/slowness.js'
import { until } from '../helpers/until.js'

useTracefs()

const bpfFds = (): string[] =>
  readdirSync('/proc/self/fd').filter((fd) => {
    const path = `/proc/self/fd/${fd}`
    return existsSync(path) && /bpf|btf|perf_event/.test(readlinkSync(path))
  })

/** Runs a script that can use `open(name)` and `sleep`. It must end with the given status and an empty stderr. */
async function expectToEnd(script: string, options: ChildOptions = {}, status = 0): Promise<string> {
  const result = await runChild(
    `import { BpfObject, BpfMap, RingBuffer, UserRingBuffer, Btf, setLogger, ids } from 'libbpf-node'
     import { setTimeout as sleep } from 'node:timers/promises'
     const open = (name) => BpfObject.open(process.argv[1].replace('NAME', name))
     ${script}`,
    [objectPath('maps').replace(/maps(?=\.bpf\.o$)/, 'NAME')],
    options,
  )
  const expected: Partial<ChildResult> = { status, signal: null, stderr: '' }
  expect(result).toMatchObject(expected)
  return result.stdout
}

const withGc: ChildOptions = { node: ['--expose-gc'] }

describe('BpfObject.close', () => {
  it('can be called twice, at any time', async () => {
    const fds = bpfFds().length
    const object = open('links')
    object.close()
    object.close()
    const loaded = load('links')
    const links = loaded.attach()
    for (const link of links) link.close()
    for (const link of links) link.close()
    loaded.close()
    loaded.close()
    for (const link of links) expect(link.closed).toBe(true)
    expect(bpfFds()).toHaveLength(fds)
  })

  it('closes the links of the object', () => {
    const object = load('links')
    const links: Link[] = object.attach()
    expect(links.length).toBeGreaterThan(0)
    object.close()
    expect(links.map((link) => link.closed)).toEqual(links.map(() => true))
  })

  it('makes a running load reject with ERR_BPF_CLOSED, and then frees everything', async () => {
    const fds = bpfFds().length
    for (const name of ['maps', 'slow', 'bad-pointer', 'bad-huge-map', 'bad-core']) {
      const object = open(name)
      const loading = object.load()
      object.close()
      await expect(loading, name).rejects.toMatchObject({ name: 'BpfError', code: 'ERR_BPF_CLOSED' })
    }
    await until('all descriptors are closed', () => bpfFds().length === fds)
  })

  it('lets a running test run finish', async () => {
    const object = load('slow')
    const running = object.program('slow').testRun({ data: new Uint8Array(64), repeat: 20 })
    object.close()
    await expect(running).resolves.toMatchObject({ duration: expect.any(Number) })
  })

  it('is what `using` calls', () => {
    const fds = bpfFds().length
    const object = load('maps')
    object[Symbol.dispose]()
    expect(object.closed).toBe(true)
    expect(bpfFds()).toHaveLength(fds)
  })

  it('can be called by a logger in the middle of load', () => {
    // In a child, because a logger receives the messages of all tests.
    return expectToEnd(`
      const object = open('maps')
      setLogger(() => object.close(), 'debug')
      await object.load().then(() => console.log('loaded'), (error) => {
        if (error.code !== 'ERR_BPF_CLOSED') throw error
      })
      const other = open('maps')
      setLogger(() => other.close(), 'debug')
      try { other.loadSync() } catch (error) { if (error.code !== 'ERR_BPF_CLOSED') throw error }
    `)
  })
})

describe('a logger that throws', () => {
  it('causes an uncaught exception, and the libbpf call keeps its result', async () => {
    const stdout = await expectToEnd(`
      let uncaught = 0
      process.on('uncaughtException', (error) => { if (error.message !== 'of the logger') throw error; uncaught++ })
      setLogger(() => { throw new Error('of the logger') }, 'debug')
      const object = open('exec')
      await object.load()
      const links = object.attach()
      await sleep(1)
      console.log(object.loaded, links.length, uncaught > 0)
    `)
    expect(stdout).toBe('true 1 true\n')
  })
})

describe('garbage collection', () => {
  it('of an object neither detaches its links nor frees their memory', async () => {
    const stdout = await expectToEnd(
      `
      let link = (() => { const object = open('exec'); object.loadSync(); return object.attach()[0] })()
      for (let i = 0; i < 5; i++) { gc(); await sleep(1) }
      const { id } = link.info()
      link = undefined
      for (let i = 0; i < 5; i++) { gc(); await sleep(1) }
      console.log([...ids('link')].includes(id))
    `,
      withGc,
    )
    expect(stdout).toBe('true\n')
  })

  it('of handles is harmless at any time', async () => {
    await expectToEnd(
      `
      const map = (() => { const object = open('maps'); object.loadSync(); return object.map('points') })()
      for (let i = 0; i < 200; i++) {
        const object = open(i % 2 ? 'maps' : 'ring')
        const loading = object.load()
        if (i % 3 === 0) object.close()
        if (i % 5 === 0) gc()
        if (i % 7 === 0) await loading.catch(() => {})
        else loading.catch(() => {})
        map.set(i % 16, { x: i, y: 0, label: '' })
        if (map.get(i % 16).x !== i) throw new Error('wrong value')
      }
      gc()
    `,
      withGc,
    )
  })

  it('frees objects that were not closed', async () => {
    const stdout = await expectToEnd(
      `
      import { readdirSync } from 'node:fs'
      const fds = () => readdirSync('/proc/self/fd').length
      const before = fds()
      for (let i = 0; i < 50; i++) { open('maps').loadSync(); BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1 }).raw.get(new Uint8Array(4)) }
      for (let i = 0; i < 10; i++) { gc(); await sleep(1) }
      console.log(fds() - before)
    `,
      withGc,
    )
    expect(Number(stdout)).toBeLessThan(20)
  })

  it.each([
    ['objects', "open('core-proc')"],
    ['user ring buffers', 'new UserRingBuffer(map)'],
  ])('makes V8 collect %s because of their native memory', async (_, make) => {
    const stdout = await expectToEnd(`
      const map = BpfMap.create({ type: 'user_ringbuf', keySize: 0, valueSize: 0, maxEntries: 1 << 20 })
      let collected = 0
      const registry = new FinalizationRegistry(() => collected++)
      for (let i = 0; i < 400; i++) { registry.register(${make}, i); await sleep(0) }
      console.log(collected)
    `)
    expect(Number(stdout)).toBeGreaterThan(0)
  })
})

describe('the end of the process', () => {
  it.each([
    ['while an object loads', "open('slow').load(); process.exit(3)"],
    [
      // One more than libuv has threads.
      'while several load',
      "for (let i = 0; i < 5; i++) open('slow').load(); setImmediate(() => process.exit(3))",
    ],
    [
      'with everything open',
      "const o = open('exec'); o.loadSync(); o.attach(); o.ringBuffer('events').on(() => {}); process.exit(3)",
    ],
    [
      'by an uncaught exception, open',
      "const o = open('exec'); o.loadSync(); o.attach(); process.on('exit', () => { process.exitCode = 3 }); process.on('uncaughtException', () => process.exit(3)); throw new Error('x')",
    ],
  ])('%s has the right exit status', async (_, script) => {
    await expectToEnd(script, {}, 3)
  })

  it('because of an unhandled rejection of load shows the error', async () => {
    const { status, stderr } = await runChild(
      "import { BpfObject } from 'libbpf-node'; BpfObject.open(process.argv[1]).load()",
      [objectPath('bad-pointer')],
    )
    expect(status).toBe(1)
    expect(stderr).toContain("the verifier rejected program 'on_exec'")
  })

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s while a ring is read is reported as that signal',
    async (signal) => {
      const result = await runChild(
        `import { BpfObject } from 'libbpf-node'
       const o = BpfObject.open(process.argv[1]); o.loadSync(); o.attach(); o.ringBuffer('events').on(() => {})
       setImmediate(() => process.kill(process.pid, '${signal}'))`,
        [objectPath('exec')],
      )
      expect(result).toMatchObject({ signal, stderr: '' })
    },
  )

  it('leaves nothing in the kernel', async () => {
    const stdout = await expectToEnd(`
      const o = open('exec'); o.loadSync()
      console.log(JSON.stringify([o.program('on_exec').id, o.attach()[0].info().id, o.map('events').id]))
      process.exit()
    `)
    const [program, link, map] = JSON.parse(stdout)
    const { ids } = await import('libbpf-node')
    await until(
      'all are gone',
      () =>
        ![...ids('link')].includes(link) &&
        ![...ids('program')].includes(program) &&
        ![...ids('map')].includes(map),
    )
  })
})

describe('memory that JavaScript can reach', () => {
  it('throws instead of crashing if a callback detaches the memory of a batch', async () => {
    await expectToEnd(`
      process.on('uncaughtException', (error) => { console.log(error.message); process.exit(0) })
      const object = open('ring'); object.loadSync()
      const ring = object.ringBuffer('events')
      const emit = () => object.program('emit').testRunSync({ data: new Uint8Array(64), repeat: 50 })
      let calls = 0
      ring.drain((view, offset, length) => {
        calls++
        if (calls === 1) structuredClone(view.buffer, { transfer: [view.buffer] })
        try { view.getUint8(offset) } catch {}
      })
      emit()
      await sleep(20)
      emit()
      await sleep(50)
      ring.close()
    `)
  })

  it('is never the memory that native code reads keys and values from', () => {
    const object = load('maps')
    const { raw } = object.map('points')
    const key = new Uint8Array(4)
    raw.set(key, new Uint8Array(24).fill(7))
    const value = raw.get(key) as Uint8Array
    const [again] = [...raw.keys()]
    for (const bytes of [value, again as Uint8Array]) {
      structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
      expect(bytes).toHaveLength(0)
    }
    expect(raw.get(key)).toEqual(new Uint8Array(24).fill(7))
    expect([...raw.keys()]).toEqual([key])
    object.close()
  })
})

describe('reentrant calls', () => {
  it('see and leave the right entries during an iteration', () => {
    const object = load('maps')
    const map = object.map<number, { x: number; y: number; label: string }>('points')
    for (let i = 0; i < 10; i++) map.set(i, { x: i, y: 0, label: `${i}` })
    const seen: number[] = []
    for (const key of map.keys()) {
      expect(map.get((key + 1) % 10)?.x).toBe((key + 1) % 10)
      expect([...map.raw.keys()]).toHaveLength(10)
      map.set(key, { x: key, y: 1, label: 'seen' })
      for (const [inner, point] of map) expect(point.x).toBe(inner)
      seen.push(key)
    }
    expect(seen.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect([...map.values()].every(({ y }) => y === 1)).toBe(true)
    object.close()
  })

  it('in a getter of a value are refused and set no other key', () => {
    const object = load('maps')
    const map = object.map<number, { x: number; y: number; label: string }>('points')
    map.set(5, { x: 50, y: 51, label: 'five' })
    const value = {
      get x() {
        map.get(5)
        return 1
      },
      y: 2,
      label: 'one',
    }
    expect(() => map.set(1, value)).toThrow(/map 'points' is in use: a getter/)
    expect([...map]).toEqual([[5, { x: 50, y: 51, label: 'five' }]])
    object.close()
  })
})

describe('a thousand life cycles', () => {
  it(
    'of open, load, attach and close leak no descriptors and no memory',
    async () => {
      const stdout = await expectToEnd(
        `
      import { readdirSync } from 'node:fs'
      const fds = () => readdirSync('/proc/self/fd').length
      const rss = async () => {
        // Finalizers of one collection release what the next one frees.
        for (let i = 0; i < 3; i++) { gc(); await sleep(10) }
        return process.memoryUsage.rss() / 2 ** 20
      }
      const live = async (i) => {
        const object = open('exec')
        if (i % 4 === 0) await object.load()
        else object.loadSync()
        object.attach()
        if (i % 2 === 0) object.ringBuffer('events').on(() => {}).close()
        object.close()
      }
      for (let i = 0; i < 400; i++) await live(i)
      const fdsBefore = fds()
      const grown = []
      for (let round = 0; round < 4; round++) {
        const before = await rss()
        for (let i = 0; i < 250; i++) await live(i)
        grown.push((await rss()) - before)
      }
      console.log(JSON.stringify({ fds: fds() - fdsBefore, grown }))
    `,
        {
          ...withGc, // Else the C library keeps what was freed, some of it, as it likes.
          env: { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '65536' },
          seconds: 60,
        },
      )
      const { fds, grown } = JSON.parse(stdout)
      expect(fds).toBe(0)
      // A heap grows in steps from time to time, but a leak shows in every round. 1 MB for 250 life cycles is 4 KB
      // each. AddressSanitizer keeps freed memory for a while.
      if (process.env.ASAN_OPTIONS === undefined) expect(Math.min(...grown)).toBeLessThan(1)
      expect(grown).toHaveLength(4)
    },
    60_000 * slowness,
  )

  it('that fail leak nothing either', async () => {
    const fds = bpfFds().length
    for (let i = 0; i < 100; i++) {
      for (const name of ['bad-pointer', 'bad-huge-map', 'bad-section']) {
        const object = open(name)
        expect(() => object.loadSync()).toThrow()
        object.close()
      }
      expect(() => BpfObject.open(new Uint8Array(100))).toThrow()
    }
    expect(bpfFds()).toHaveLength(fds)
  })
})
