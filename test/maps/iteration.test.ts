import { Worker } from 'node:worker_threads'
import { BpfMap, type MapType } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { compareLpmKeys } from '../../lib/maps/lpm-order.js'
import { kernelIs } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { type Random, randomOf, times } from '../helpers/random.js'
import { slowness } from '../helpers/slowness.js'

const noPrealloc = 1
const layouts: Partial<Record<MapType, { keySize?: number; flags?: number }>> = {
  hash: {},
  percpu_hash: {},
  lru_hash: {},
  lpm_trie: { keySize: 8, flags: noPrealloc },
  devmap_hash: {},
}
const iterated = Object.keys(layouts) as MapType[]
const entryCount = 40

function create(type: MapType): BpfMap {
  // LRU maps drop entries long before they are full.
  const maxEntries = type === 'lru_hash' ? 4096 : entryCount
  return BpfMap.create({ type, keySize: 4, valueSize: 4, maxEntries, ...layouts[type] })
}

/** The key with a number: for tries the host 10.0.0.N. */
function keyOf(type: MapType, n: number): Uint8Array {
  const number = Uint8Array.of(n, 0, 0, 0)
  return type === 'lpm_trie' ? Uint8Array.of(32, 0, 0, 0, 10, 0, 0, n) : number
}
const numberIn = (key: Uint8Array): number => (key.length === 8 ? key[7]! : key[0]!)

function fill(map: BpfMap, type: MapType): void {
  for (let n = 0; n < entryCount; n++) {
    const value = new Uint8Array(type === 'percpu_hash' ? perCpuBytes() : 4)
    // devmap_hash wants an interface: 1 is the loopback device.
    value[0] = 1
    map.set(keyOf(type, n), value)
  }
}

let size: number | undefined
function perCpuBytes(): number {
  if (size === undefined) {
    using map = BpfMap.create({ type: 'percpu_array', keySize: 4, valueSize: 4, maxEntries: 1 })
    size = map.get(new Uint8Array(4))!.length
  }
  return size
}

const ways: Record<string, (map: BpfMap, see: (key: Uint8Array) => void) => Promise<void> | void> = {
  keys: (map, see) => {
    for (const key of map.keys()) see(key)
  },
  entries: (map, see) => {
    for (const [key] of map.entries()) see(key)
  },
  forEach: (map, see) => {
    map.forEach((_, key) => {
      see(key)
    })
  },
  ...Object.fromEntries(
    [1, 3, 7].map((size) => [
      `batches of ${size}`,
      (map: BpfMap, see: (key: Uint8Array) => void) => {
        for (const { count, keys } of map.batches({ size }))
          for (let i = 0; i < count; i++) see(keys.slice(i * map.keySize, (i + 1) * map.keySize))
      },
    ]),
  ),
  ...Object.fromEntries(
    [1, 3, undefined].map((size) => [
      `entriesAsync of ${size ?? 'the default size'}`,
      async (map: BpfMap, see: (key: Uint8Array) => void) => {
        for await (const [key] of map.entriesAsync(size === undefined ? {} : { size })) see(key)
      },
    ]),
  ),
}

/** What is deleted when a key has come. `left` are the numbers that are still in the map. */
const deletions: Record<string, (seen: number, left: Set<number>, random: Random) => number[]> = {
  'nothing is deleted': () => [],
  'each entry is deleted when it comes': (seen) => [seen],
  'every second entry is deleted when it comes': (seen) => (seen % 2 === 0 ? [seen] : []),
  'other entries are deleted': (_, left, random) => [...left].filter(() => random.below(8) === 0),
  'all other entries are deleted': (seen, left) => [...left].filter((n) => n !== seen),
}

describe.each(iterated)('iteration of %s', (type) => {
  describe.each(Object.keys(deletions))('while %s', (deletion) => {
    it.each(Object.keys(ways))('by %s: each entry comes once', async (way) => {
      using map = create(type)
      fill(map, type)
      const left = new Set(Array.from({ length: entryCount }, (_, n) => n))
      const random = randomOf(1)
      const seen: number[] = []
      await ways[way]!(map, (key) => {
        const number = numberIn(key)
        seen.push(number)
        for (const gone of deletions[deletion]!(number, left, random)) {
          left.delete(gone)
          map.delete(keyOf(type, gone))
        }
      })
      expect(seen).toHaveLength(new Set(seen).size)
      expect(seen).toEqual(expect.arrayContaining([...left]))
      expect(map.size).toBe(left.size)
    })
  })
})

describe('the order of an LPM trie', () => {
  const networks = (random: Random, count: number): Uint8Array[] =>
    Array.from({ length: count }, () => {
      const length = random.below(33)
      const key = Uint8Array.of(length, 0, 0, 0, ...random.bytes(4).map((byte) => byte & 0b1100_0001))
      for (let bit = length; bit < 32; bit++) key[4 + (bit >> 3)]! &= ~(0x80 >> (bit & 7))
      return key
    })

  it('is that in which the kernel walks it', () => {
    times(40, (random) => {
      using map = BpfMap.create({
        type: 'lpm_trie',
        keySize: 8,
        valueSize: 4,
        maxEntries: 500,
        flags: noPrealloc,
      })
      for (const key of networks(random, 1 + random.below(200))) map.set(key, new Uint8Array(4))
      const walked: Uint8Array[] = []
      for (let key = map.nextKey(); key !== undefined; key = map.nextKey(key)) walked.push(key)
      for (const [i, key] of walked.entries())
        for (const [j, other] of walked.entries())
          expect(Math.sign(compareLpmKeys(key, other))).toBe(Math.sign(i - j))
    })
  })

  it('lets a walk go on where it was, whatever is deleted meanwhile', () => {
    times(40, (random) => {
      using map = BpfMap.create({
        type: 'lpm_trie',
        keySize: 8,
        valueSize: 4,
        maxEntries: 500,
        flags: noPrealloc,
      })
      const { cidr } = map
      for (const key of networks(random, 200)) map.set(key, new Uint8Array(4))
      const left = new Set(cidr.keys())
      const seen: string[] = []
      const size = 1 + random.below(9)
      const seeAll = function* (): Generator<string> {
        for (const { count, keys } of cidr.batches({ size })) {
          expect(count).toBeLessThanOrEqual(size)
          for (let i = 0; i < count; i++) {
            const key = keys.subarray(i * 8, (i + 1) * 8)
            yield `${key.subarray(4).join('.')}/${key[0]}`
          }
        }
      }
      for (const network of seeAll()) {
        seen.push(network)
        for (const gone of left) {
          if (random.below(20) > 0) continue
          left.delete(gone)
          cidr.delete(gone)
        }
      }
      expect(seen).toHaveLength(new Set(seen).size)
      for (const network of left) expect(seen).toContain(network)
    })
  })
})

describe('BpfMap.clear', () => {
  it.each(['lru_hash', 'hash', 'lru_percpu_hash'] as const)(
    'does not fail while others write a %s',
    async (type) => {
      using map = BpfMap.create({ type, keySize: 4, valueSize: 4, maxEntries: 2000 })
      const isEnough = new Int32Array(new SharedArrayBuffer(4))
      const writer = new Worker(
        `const { workerData } = require('node:worker_threads')
        import('libbpf-node').then(({ BpfMap }) => {
          const map = BpfMap.fromId(workerData.id)
          const value = new Uint8Array(workerData.bytes)
          const key = () => new Uint8Array(Uint32Array.of(Math.random() * 1e6).buffer)
          while (Atomics.load(workerData.isEnough, 0) === 0) {
            try { map.setMany(Array.from({ length: 512 }, () => [key(), value])) }
            catch (error) { if (error.code !== 'E2BIG') throw error }
          }
          map.close()
        })`,
        {
          eval: true,
          workerData: {
            id: map.id,
            bytes: type === 'lru_percpu_hash' ? perCpuBytes() : 4,
            isEnough,
          },
        },
      )
      const done = new Promise((resolve, reject) => writer.once('exit', resolve).once('error', reject))
      let isOver = false
      void done.then(() => {
        isOver = true
      })
      let cleared = 0
      const start = Date.now()
      while (!isOver) {
        if (map.nextKey() !== undefined) cleared++
        if (cleared > 5 && Date.now() > start + 1500) Atomics.store(isEnough, 0, 1)
        map.clear()
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      expect(await done).toBe(0)
      expect(cleared).toBeGreaterThan(5)
      map.clear()
      expect(map.size).toBe(0)
    },
    20_000 * slowness,
  )

  it.each(iterated)('removes everything from a %s', (type) => {
    using map = create(type)
    fill(map, type)
    map.clear()
    expect([...map.keys()]).toEqual([])
    expect(map.size).toBe(0)
    map.clear()
  })

  it('throws for arrays, whose entries cannot be deleted', () => {
    using map = BpfMap.create({ type: 'array', name: 'numbers', keySize: 4, valueSize: 4, maxEntries: 2 })
    const error = thrownBy(() => map.clear())
    expect(error).toMatchObject({ code: 'EINVAL', map: 'numbers' })
    expect((error as Error).message).toBe(
      "map 'numbers': clear: the entries of an array cannot be deleted (EINVAL)",
    )
  })
})

describe('a map without keys', () => {
  it.each([
    ['queue', 'lookupAndDelete(undefined)'],
    ['stack', 'lookupAndDelete(undefined)'],
    ['ringbuf', 'RingBuffer'],
    ['user_ringbuf', 'UserRingBuffer'],
    ['bloom_filter', 'has no keys'],
  ] as const)('cannot be iterated, and a %s says what to use instead', async (type, words) => {
    if (type === 'bloom_filter' && !kernelIs('5.16')) return
    if (type === 'user_ringbuf' && !kernelIs('6.1')) return
    const isRing = type.endsWith('ringbuf')
    using map = BpfMap.create({
      type,
      name: 'keyless',
      keySize: 0,
      valueSize: isRing ? 0 : 4,
      maxEntries: isRing ? 4096 : 4,
    })
    for (const use of [
      () => [...map.entries()],
      () => [...map.values()],
      () => [...map.keys()],
      () => [...map.batches()],
      () => [...map.drain()],
      () => map.size,
      () => map.clear(),
      () => map.nextKey(),
      () => map.forEach(() => {}),
    ]) {
      const error = thrownBy(use)
      expect(error).toMatchObject({ code: 'ENOTSUP', map: 'keyless' })
      expect((error as Error).message).toContain(words)
    }
    await expect(map.entriesAsync().next()).rejects.toMatchObject({ code: 'ENOTSUP' })
  })
})
