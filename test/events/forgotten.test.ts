// Readers and producers that were not closed and that nothing refers to. The tests run in a child process, which can
// force a garbage collection.
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { kernelIs } from '../helpers/kernel.js'
import { objectPath } from '../helpers/objects.js'

const script = (body: string) => `
  import { readdirSync, readlinkSync } from 'node:fs'
  import { BpfObject } from 'libbpf-node'
  const [, rings, perf, user] = process.argv
  const load = (path) => {
    const object = BpfObject.open(path)
    object.loadSync()
    return object
  }
  const turn = () => new Promise((resolve) => setTimeout(resolve, 2))
  /** Collects several times, because finalizers run later and may free further objects. */
  const collect = async () => {
    for (let i = 0; i < 6; i++) {
      gc()
      await turn()
    }
  }
  const fds = () => readdirSync('/proc/self/fd').length
  const external = () => process.memoryUsage().external
  const check = (what, is) => {
    if (!is) {
      console.log('not so: ' + what)
      process.exit(1)
    }
  }
  ${body}
`

async function run(body: string): Promise<void> {
  const paths = ['events-sizes', 'events-perf', 'events-user'].map(objectPath)
  const result = await runChild(script(body), paths, { node: ['--expose-gc'], seconds: 60 })
  expect(result).toEqual({ status: 0, signal: null, stdout: '', stderr: '' })
}

const ways: [string, string][] = [
  ['was never read', ''],
  ['was read and stopped', 'reader.on(() => {}); reader.stop()'],
  ['is paused', 'reader.on(() => {}); reader.pause()'],
  ['was iterated', 'const i = reader[Symbol.asyncIterator](); i.next(); i.return()'],
  ['was consumed by hand', 'reader.on(() => {}); reader.consume(); reader.stop()'],
]

describe.each([
  ['a ring buffer', 'load(rings)', "object.ringBuffer('events')"],
  ['a perf buffer', 'load(perf)', "object.perfBuffer('events')"],
])('%s that', (_, object, reader) => {
  it.each(ways)(
    '%s is collected when nothing refers to it, and frees its memory, descriptors and map',
    async (_, use) => {
      await run(`
      const object = ${object}
      const once = async () => {
        const reader = ${reader}
        ${use}
        await turn()
      }
      await once()
      await collect()
      const before = fds()
      const memory = external()
      for (let i = 0; i < 10; i++) {
        await once()
        await collect()
      }
      check('the descriptors are closed', fds() === before)
      check('the memory is accounted for', Math.abs(external() - memory) < 100_000)
    `)
    },
  )

  it('has a callback is not collected although nothing refers to it', async () => {
    await run(`
      const object = ${object}
      let seen = 0
      const start = () => { ${reader}.on(() => seen++).unref() }
      start()
      const produce = () =>
        object.programs.has('count')
          ? object.program('count').testRunSync({ data: new Uint8Array(64) })
          : object.program('produce').testRunSync({ cpu: 0, flags: 1 })
      for (let round = 1; round <= 5; round++) {
        await collect()
        produce()
        for (let i = 0; i < 1000 && seen < round; i++) await turn()
        check('record ' + round + ' has come', seen === round)
      }
    `)
  })

  it('someone waits for is not collected although nothing refers to it', async () => {
    await run(`
      const object = ${object}
      const next = ${reader}[Symbol.asyncIterator]().next()
      await collect()
      if (object.programs.has('count')) object.program('count').testRunSync({ data: new Uint8Array(64) })
      else object.program('produce').testRunSync({ cpu: 0, flags: 1 })
      const { value } = await next
      check('the record has come', value.length >= 8)
    `)
  })

  it('is open counts as external memory, until it is closed', async () => {
    await run(`
      const object = ${object}
      ${reader}.close()
      await collect()
      const before = external()
      const reader = ${reader}
      check('V8 hears of the kernel\\'s memory', external() - before >= reader.size)
      reader.close()
      await collect()
      check('and of its end', Math.abs(external() - before) < 100_000)
    `)
  })
})

describe('thousands of readers', () => {
  it('can be opened and closed without a leak', async () => {
    await run(`
      const object = load(rings)
      const perfObject = load(perf)
      const make = (i) => {
        const one = object.ringBuffer('events', undefined, { slabSize: 4096 })
        if (i % 3 === 0) one.on(() => {})
        if (i % 5 === 0) one[Symbol.dispose]()
        one.close()
        const other = perfObject.perfBuffer('events', undefined, { slabSize: 4096, pages: 1, overwritable: i % 2 === 0 })
        if (i % 3 === 0 && i % 2 === 1) other.on(() => {})
        other.close()
      }
      make(0)
      await collect()
      const before = fds()
      for (let i = 0; i < 2000; i++) {
        make(i)
        if (i % 100 === 0) await turn()
      }
      await collect()
      check('the descriptors are closed', fds() === before)
    `)
  })

  it('are collected in time although their JavaScript objects are small', async () => {
    await run(`
      const object = load(perf)
      const before = fds()
      let refused = 0
      for (let i = 0; i < 300; i++) {
        // A reader can only be opened once the one before has been collected.
        try {
          object.perfBuffer('events', undefined, { slabSize: 64, pages: 256 })
        } catch (error) {
          if (error.code !== 'EBUSY') throw error
          refused++
          gc()
        }
        await turn()
      }
      check('some were in the way', refused > 0)
      check('and went', refused < 300)
      await collect()
      check('the descriptors are closed', fds() === before)
    `)
  })
})

describe.skipIf(!kernelIs('6.1'))('a user ring buffer (Linux 6.1)', () => {
  it('is collected when nothing refers to it, and discards its reservations', async () => {
    await run(`
      const object = load(user)
      const once = () => {
        const ring = object.userRingBuffer('commands')
        ring.reserve(8)
        ring.submit(new Uint8Array(8))
      }
      once()
      await collect()
      const before = fds()
      for (let i = 0; i < 10; i++) once()
      await collect()
      check('the descriptors are closed', fds() === before)
      check('what was reserved is discarded', object.program('drain').testRunSync().retval === 11)
    `)
  })

  it('discards reservations when nothing refers to them', async () => {
    await run(`
      const object = load(user)
      const ring = object.userRingBuffer('commands')
      const drain = () => object.program('drain').testRunSync().retval
      const kept = (() => {
        ring.reserve(8)
        const one = ring.reserve(8)
        for (let i = 0; i < 10; i++) ring.reserve(8)
        return one
      })()
      ring.submit(new Uint8Array(8))
      check('they hold it up', drain() === 0)
      await collect()
      kept.submit()
      check('they are gone', drain() === 2)
    `)
  })

  it('is not collected while it waits for room', async () => {
    await run(`
      const object = load(user)
      const start = () => {
        const ring = object.userRingBuffer('commands')
        while (ring.submit(new Uint8Array(8)));
        return ring.submitWhenRoom(new Uint8Array(8))
      }
      const waiting = start()
      await collect()
      object.program('drain').testRunSync()
      await waiting
      check('it came', object.program('drain').testRunSync().retval === 1)
    `)
  })
})
