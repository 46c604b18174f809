// Pinned maps, and maps that a new version takes over, whose keys or values have another layout.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { BpfMap, type BpfObject, type Migrations } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { open, thrownBy } from '../helpers/objects.js'
import { useBpffs } from '../helpers/privileged.js'
import { slowness } from '../helpers/slowness.js'
import { until } from '../helpers/until.js'

const bpffs = useBpffs()

interface Count {
  count: bigint
  bytes: bigint
}

const toCount: Migrations = {
  counts: (key: number, count: bigint) => [key, { count, bytes: count * 100n }],
}

/** 1 counts in a number, 2 in a struct, and 3 in a struct whose members have changed places. */
type Version = 1 | 2 | 3

/** Opens a version whose map is pinned in the file system of the test. */
function opened(version: Version, entries = 4096): BpfObject {
  const object = open(`migrate-${version}`)
  object.map('counts').pinPath = bpffs('counts')
  object.map('counts').maxEntries = entries
  return object
}

async function loaded(version: Version, migrate?: Migrations, entries?: number): Promise<BpfObject> {
  const object = opened(version, entries)
  try {
    await object.load(migrate === undefined ? {} : { migrate })
    return object
  } catch (error) {
    object.close()
    throw error
  }
}

/** A pin of the first version with some entries, whose process has ended. */
async function pinned(entries: number): Promise<string> {
  using object = await loaded(1)
  object.map<number, bigint>('counts').setMany(Array.from({ length: entries }, (_, i) => [i, BigInt(i)]))
  return bpffs('counts')
}

const pins = (): string[] => readdirSync(dirname(bpffs('counts')))

describe('load with migrate', () => {
  it('fills a map of the new layout, and pins it in the place of the old one', async () => {
    const path = await pinned(3000)
    using object = await loaded(2, toCount)
    expect(pins()).toEqual(['counts'])
    const counts = object.map<number, Count>('counts')
    expect(counts.size).toBe(3000)
    expect(counts.get(2999)).toEqual({ count: 2999n, bytes: 299900n })
    expect(counts.pinPath).toBe(path)
    using again = BpfMap.fromPin(path)
    expect(again.id).toBe(counts.id)
    counts.unpin()
    expect(existsSync(path)).toBe(false)
  })

  it('uses a pinned map that has not changed, and creates one that is not there', async () => {
    using object = await loaded(2, toCount)
    const counts = object.map<number, Count>('counts')
    counts.set(1, { count: 5n, bytes: 6n })
    const unexpected = () => {
      throw new Error('nothing has changed')
    }
    using same = await loaded(2, { counts: unexpected })
    expect(same.map('counts').id).toBe(counts.id)
    expect(same.map<number, Count>('counts').get(1)).toEqual({ count: 5n, bytes: 6n })
    counts.unpin()
  })

  it('notices that members have changed places, although the sizes are the same', async () => {
    using old = await loaded(2)
    old.map<number, Count>('counts').set(1, { count: 5n, bytes: 6n })
    using object = await loaded(3, { counts: (key: number, value: Count) => [key, value] })
    expect(object.map<number, Count>('counts').get(1)).toEqual({ bytes: 6n, count: 5n })
    expect(object.map('counts').id).not.toBe(old.map('counts').id)
    object.map('counts').unpin()
  })

  it('drops entries, and may give others another key', async () => {
    await pinned(10)
    const migrate: Migrations = {
      counts: (key: number, count: bigint) =>
        key % 2 === 0 ? [key + 1000, { count, bytes: 0n }] : undefined,
    }
    using object = await loaded(2, migrate)
    const keys = [...object.map<number, Count>('counts')].map(([key]) => key)
    expect(keys.sort()).toEqual([1000, 1002, 1004, 1006, 1008])
    object.map('counts').unpin()
  })

  it.each([
    [
      'the function throws',
      4096,
      (key: number, count: bigint) => {
        if (key === 1500) throw new Error('no')
        return [key, { count, bytes: 0n }] as const
      },
      /^no$/,
    ],
    ['the new map is too small', 1000, toCount.counts!, /full|E2BIG/],
  ])('leaves the old map pinned if %s', async (_, entries, make, message) => {
    const path = await pinned(3000)
    using before = BpfMap.fromPin(path)
    await expect(loaded(2, { counts: make }, entries)).rejects.toThrow(message)
    expect(pins()).toEqual(['counts'])
    using after = BpfMap.fromPin(path)
    expect(after.id).toBe(before.id)
    expect(after.size).toBe(3000)
    after.unpin(path)
  })

  it('refuses maps without a pin path, and what is not a function', async () => {
    using unpinned = open('migrate-2')
    await expect(unpinned.load({ migrate: toCount })).rejects.toMatchObject({
      code: 'ERR_BPF_STATE',
      message: expect.stringContaining('LIBBPF_PIN_BY_NAME'),
    })
    await expect(loaded(2, { counts: 1 as never })).rejects.toThrow(TypeError)
    await expect(loaded(2, { count: toCount.counts! })).rejects.toMatchObject({
      code: 'ERR_BPF_NOT_FOUND',
    })
  })

  it(
    'shows readers of the pin a whole map at every moment',
    async () => {
      const path = await pinned(2000)
      const script = `
      import { BpfMap } from 'libbpf-node'
      let [rounds, layouts] = [0, new Set()]
      process.stdin.on('end', () => {
        process.stdout.write(JSON.stringify({ rounds, layouts: [...layouts] }))
        process.exit()
      }).resume()
      const look = () => {
        const map = BpfMap.fromPin(${JSON.stringify(path)})
        layouts.add(map.valueSize + ' bytes, ' + map.size + ' entries')
        map.close()
        if (rounds++ === 0) process.stderr.write('ready')
        setImmediate(look)
      }
      look()`
      const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
        stdio: ['pipe', 'pipe', 'pipe'],
      })
      let [said, complaints] = ['', '']
      child.stdout.on('data', (text) => (said += text))
      child.stderr.on('data', (text) => (complaints += text))
      await until('the reader reads', () => complaints.startsWith('ready'), { seconds: 30 })
      for (let round = 0; round < 4; round++) {
        using _ = await loaded(2, toCount)
        const back: Migrations = { counts: (key: number, { count }: Count) => [key, count] }
        using __ = await loaded(1, back)
      }
      child.stdin.end()
      await once(child, 'close')
      expect(complaints).toBe('ready')
      const { rounds, layouts } = JSON.parse(said) as { rounds: number; layouts: string[] }
      expect(rounds).toBeGreaterThan(1)
      for (const layout of layouts) expect(layout).toMatch(/^(8|16) bytes, 2000 entries$/)
      using last = BpfMap.fromPin(path)
      last.unpin(path)
    },
    90_000 * slowness,
  )
})

describe('replace with migrate', () => {
  const run = (object: BpfObject) => object.program('count').testRunSync({ data: new Uint8Array(64) })

  async function running(object: BpfObject): Promise<BpfObject> {
    await object.load()
    object.map<number, bigint>('counts').setMany([
      [7, 70n],
      [8, 80n],
      [9, 90n],
    ])
    return object
  }

  it('fills the new map, also with what the old version changes meanwhile', async () => {
    using old = await running(open('migrate-1'))
    using next = open('migrate-2', { name: 'next' })
    const late: unknown[] = []
    let calls = 0
    const { migrated, maps } = await old.replace(next, {
      migrate: {
        counts: (key: number, count: bigint, change) => {
          calls++
          if (change !== undefined) {
            late.push([key, count, change])
            const { count: now, bytes } = change.current as Count
            return [key, { count: now + count - (change.previous as bigint), bytes }]
          }
          // After the last entry was read, two change and one goes.
          if (calls === 3) {
            run(old)
            run(old)
            old.map<number, bigint>('counts').delete(9)
          }
          return [key, { count, bytes: 1n }]
        },
      },
    })
    expect([migrated, maps]).toEqual([['counts'], []])
    expect(late).toEqual([[7, 72n, { previous: 70n, current: { count: 70n, bytes: 1n } }]])
    expect(new Map(next.map<number, Count>('counts'))).toEqual(
      new Map([
        [7, { count: 72n, bytes: 1n }],
        [8, { count: 80n, bytes: 1n }],
      ]),
    )
    run(next)
    expect(next.map<number, Count>('counts').get(7)).toEqual({ count: 73n, bytes: 1n })
  })

  it('puts the new map in the place of a pinned one', async () => {
    using old = await running(opened(1))
    using next = opened(2)
    await old.replace(next, { migrate: toCount })
    using pin = BpfMap.fromPin(bpffs('counts'))
    expect(pin.id).toBe(next.map('counts').id)
    expect(pin.id).not.toBe(old.map('counts').id)
    next.map('counts').unpin()
  })

  it('changes nothing if the function throws', async () => {
    using old = await running(opened(1))
    using next = opened(2)
    const migrate: Migrations = {
      counts: () => {
        throw new Error('no')
      },
    }
    await expect(old.replace(next, { migrate })).rejects.toThrow('no')
    expect(pins()).toEqual(['counts'])
    using pin = BpfMap.fromPin(bpffs('counts'))
    expect(pin.id).toBe(old.map('counts').id)
    run(old)
    expect(old.map<number, bigint>('counts').get(7)).toBe(71n)
    old.map('counts').unpin()
  })

  it('takes over a map that has not changed, and names migrate where one has', async () => {
    using old = await running(open('migrate-1'))
    using same = open('migrate-1', { name: 'same' })
    const { migrated, maps } = await old.replace(same, { migrate: { counts: () => undefined } })
    expect([migrated, maps]).toEqual([[], ['counts']])
    using next = open('migrate-2', { name: 'next' })
    const error = await same.replace(next).catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'ERR_BPF_MISMATCH', message: expect.stringContaining("'migrate'") })
    expect(thrownBy(() => next.map('counts').fd)).toMatchObject({ code: 'ERR_BPF_STATE' })
  })
})
