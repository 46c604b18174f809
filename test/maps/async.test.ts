import { BpfMap, possibleCpus, sumValues } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, open, thrownBy } from '../helpers/objects.js'

interface Point {
  x: number
  y: number
  label: string
}

const key = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer)
const numberIn = (bytes: Uint8Array): number => new DataView(bytes.buffer).getUint32(bytes.byteOffset, true)
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

function bigHash(entries: number, maxEntries = entries): BpfMap {
  const map = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries })
  map.setMany(range(entries).map((i) => [key(i), key(i * 2)] as const))
  return map
}

async function collect<T>(entries: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const entry of entries) all.push(entry)
  return all
}

describe('BpfMap.entriesAsync', () => {
  it('delivers every entry once, decoded', async () => {
    using object = load('maps')
    const points = object.map<number, Point>('points')
    for (const i of range(16)) points.set(i, { x: i, y: -i, label: `p${i}` })
    const all = await collect(points)
    expect(all.sort(([a], [b]) => a - b)).toEqual(
      range(16).map((i) => [i, { x: i, y: i === 0 ? 0 : -i, label: `p${i}` }]),
    )
  })

  it.each([1, 7, 1000, 1 << 20])('continues after each batch of %i entries', async (size) => {
    using map = bigHash(3000)
    const keys = (await collect(map.entriesAsync({ size }))).map(([key]) => numberIn(key))
    expect(keys.sort((a, b) => a - b)).toEqual(range(3000))
  })

  it('delivers the values of all CPUs of a per-CPU map', async () => {
    using object = load('maps')
    const map = object.map<number, number[]>('cpu_hash')
    const values = map.set(3, new Array(possibleCpus()).fill(5)).get(3)
    expect(await collect(map)).toEqual([[3, values]])
  })

  it('does not block the event loop', async () => {
    using map = bigHash(2000)
    let turns = 0
    let going = true
    const tick = (): void => {
      turns++
      if (going) setImmediate(tick)
    }
    setImmediate(tick)
    const all = await collect(map.entriesAsync({ size: 100 }))
    going = false
    expect(all).toHaveLength(2000)
    expect(turns).toBeGreaterThan(5)
  })

  it('reads one by one without blocking the event loop if a type has no batches', async () => {
    using map = BpfMap.create({ type: 'devmap_hash', keySize: 4, valueSize: 4, maxEntries: 1024 })
    for (const i of range(600)) map.set(key(i), key(1)) // lo
    let turns = 0
    let going = true
    const tick = (): void => {
      turns++
      if (going) setImmediate(tick)
    }
    setImmediate(tick)
    const keys = (await collect(map)).map(([key]) => numberIn(key))
    going = false
    expect(keys.sort((a, b) => a - b)).toEqual(range(600))
    expect(turns).toBeGreaterThan(1)
  })

  it('throws for a queue, which has no keys', async () => {
    using object = load('maps')
    await expect(collect(object.map('queue'))).rejects.toMatchObject({ code: 'ENOTSUP' })
  })

  it('throws when the map is closed meanwhile', async () => {
    const map = bigHash(1000)
    const entries = map.entriesAsync({ size: 10 })
    await entries.next()
    map.close()
    await expect(collect(entries)).rejects.toMatchObject({ code: 'ERR_BPF_CLOSED' })
    await expect(collect(map)).rejects.toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  it.each([0, -1, 1.5, Number.NaN, 2 ** 33, '1'])('refuses %s as a size', async (size) => {
    using map = bigHash(10)
    const isMisuse = expect.any(typeof size === 'string' ? TypeError : RangeError)
    expect(thrownBy(() => [...map.batches({ size: size as number })])).toEqual(isMisuse)
    await expect(collect(map.entriesAsync({ size: size as number }))).rejects.toEqual(isMisuse)
  })

  it('can be left early', async () => {
    using map = bigHash(1000)
    for await (const [first] of map) {
      expect(first).toHaveLength(4)
      break
    }
    expect(map.size).toBe(1000)
  })

  it('survives that the object is closed while a batch is read', async () => {
    const object = load('maps')
    const points = object.map<number, Point>('points')
    for (const i of range(16)) points.set(i, { x: i, y: 0, label: '' })
    const pending = points.entriesAsync().next()
    object.close()
    // The batch that was being read is still delivered.
    const { value } = await pending
    expect(value).toHaveLength(2)
  })
})

describe('BpfMap.batches of large values', () => {
  it('takes only a few megabytes of memory at a time', () => {
    const valueSize = 1 << 20
    // Without BPF_F_ZERO_SEED, more than four entries can be in one bucket, which comes as a whole.
    using map = BpfMap.create({ type: 'hash', keySize: 4, valueSize, maxEntries: 20, flags: 1 | 64 })
    const key = (i: number) => Uint8Array.of(i, 0, 0, 0)
    const value = (i: number) => new Uint8Array(valueSize).fill(i)
    const numbers = Array.from({ length: 10 }, (_, i) => i)
    map.setMany(numbers.map((i) => [key(i), value(i)] as const))
    for (const { values } of map.batches()) expect(values.length).toBeLessThanOrEqual(4 << 20)
    const seen = (entries: Iterable<[Uint8Array, Uint8Array]>) =>
      Array.from(entries, ([k, v]) => [k[0], v.length, v[0], v.at(-1)]).sort((a, b) => a[0]! - b[0]!)
    const all = numbers.map((i) => [i, valueSize, i, i])
    expect(seen(map)).toEqual(all)
    expect(map.deleteMany([key(9)])).toBe(1)
    expect(seen(map.drain())).toEqual(all.slice(0, 9))
    expect(map.size).toBe(0)
  })
})

describe('iteration while entries are deleted', () => {
  it.each(['entries', 'keys', 'entriesAsync'] as const)('%s delivers every entry that stays', async (how) => {
    using map = bigHash(4000)
    const stays = new Set(range(4000).filter((i) => i % 4 === 0))
    const doomed = range(4000).filter((i) => i % 4 !== 0)
    const seen: number[] = []
    const see = (bytes: Uint8Array): void => {
      seen.push(numberIn(bytes))
      for (let i = 0; i < 3 && doomed.length > 0; i++) map.delete(key(doomed.pop()!))
    }
    if (how === 'keys') for (const key of map.keys()) see(key)
    else if (how === 'entries') for (const [key] of map.entries()) see(key)
    else for await (const [key] of map.entriesAsync({ size: 16 })) see(key)
    expect(new Set(seen.filter((n) => stays.has(n)))).toEqual(stays)
    expect(seen).toHaveLength(new Set(seen).size)
    expect(seen.length).toBeLessThanOrEqual(2 * 4000 + 1)
  })

  it('keys() ends when the map changes all the time', () => {
    using map = bigHash(4, 4)
    let walked = 0
    const walk = (): void => {
      // Deleting the next key sends the kernel back to the beginning.
      for (const current of map.keys()) {
        walked++
        for (const i of range(4)) map.delete(key(i))
        for (const i of range(4)) if (i !== numberIn(current)) map.set(key(i), key(1))
        const next = map.nextKey()
        if (next !== undefined && walked % 2 === 0) map.delete(next)
      }
    }
    const result = (() => {
      try {
        walk()
        return 'ended'
      } catch (error) {
        return (error as { code: string }).code
      }
    })()
    expect(['ended', 'ERR_BPF_ITERATION']).toContain(result)
    expect(walked).toBeLessThanOrEqual(2 * 4 + 1)
  })
})

describe('BpfMap.sum', () => {
  it('adds the numbers of all CPUs', () => {
    using object = load('maps')
    const map = object.map<number, number[]>('cpu_hash')
    const cpus = possibleCpus()
    map.set(
      1,
      range(cpus).map((cpu) => 0xffff_ff00 + cpu),
    )
    expect(map.sum(1)).toBe(range(cpus).reduce((a, cpu) => a + 0xffff_ff00 + cpu, 0))
    expect(map.sum(2)).toBeUndefined()
    const recent = object.map<number, bigint[]>('cpu_recent')
    recent.set(1, new Array(cpus).fill(2n ** 63n))
    expect(recent.sum(1)).toBe(2n ** 63n * BigInt(cpus))
  })

  it('adds structs member by member', () => {
    using object = load('maps')
    const map = object.map<number, Point[]>('cpu_array')
    object.program('count').testRunSync({ data: new Uint8Array(64), repeat: 3 })
    expect(map.sum(0)).toMatchObject({ x: 3, y: 0, label: expect.stringMatching(/^[A-Z]$/) })
  })

  it('throws for maps that are not per-CPU or have no types', () => {
    using object = load('maps')
    expect(thrownBy(() => object.map<number, number[]>('recent').sum(1))).toMatchObject({ code: 'ENOTSUP' })
    using map = BpfMap.create<Uint8Array, never[]>({
      type: 'percpu_array',
      keySize: 4,
      valueSize: 8,
      maxEntries: 1,
    })
    expect(thrownBy(() => map.sum(new Uint8Array(4)))).toMatchObject({ code: 'ENOTSUP' })
  })

  it('adds arrays and nested structs, and takes other members from the first CPU that has them', () => {
    const one = { a: [1, 2], b: { c: 1n, ok: false }, s: '', bytes: Uint8Array.of(0, 0) }
    const two = { a: [10, 20], b: { c: 2n, ok: true }, s: 'x', bytes: Uint8Array.of(0, 3) }
    expect(sumValues([one, two])).toEqual({
      a: [11, 22],
      b: { c: 3n, ok: true },
      s: 'x',
      bytes: Uint8Array.of(0, 3),
    })
    expect(() => sumValues([])).toThrow(RangeError)
    expect(() => sumValues([null])).toThrow(TypeError)
  })
})

describe('BpfMap.memoryUsed', () => {
  it('grows with the number of entries, in bytes', () => {
    const used = (maxEntries: number): number => {
      using map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 64, maxEntries })
      return map.memoryUsed
    }
    expect(used(10_000)).toBeGreaterThanOrEqual(640_000)
    expect(used(10_000)).toBeLessThan(2 * 640_000)
    expect(used(20_000) - used(10_000)).toBeGreaterThanOrEqual(600_000)
  })

  it('throws before load', () => {
    using object = open('maps')
    expect(thrownBy(() => object.map('points').memoryUsed)).toMatchObject({ code: 'ERR_BPF_STATE' })
  })
})
