import { closeSync, openSync } from 'node:fs'
import { BPF_NOEXIST, BpfMap, Pidfd } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'

const key = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer)
const hash = (maxEntries = 100): BpfMap =>
  BpfMap.create({ type: 'hash', name: 'entries', keySize: 4, valueSize: 4, maxEntries })
const keysIn = (map: BpfMap): number[] => [...map.keys()].map(([n]) => n!).sort((a, b) => a - b)

describe('BpfMap.setMany that throws', () => {
  it('has set the entries before one that cannot be encoded', () => {
    using map = hash()
    const entries: [Uint8Array, Uint8Array][] = [
      [key(1), key(10)],
      [key(2), key(20)],
      [key(3), new Uint8Array(3)],
      [key(4), key(40)],
    ]
    const error = thrownBy(() => map.setMany(entries))
    expect(error).toBeInstanceOf(RangeError)
    expect((error as Error).message).toBe("value has 3 bytes, but the map's values have 4")
    expect(keysIn(map)).toEqual([1, 2])
  })

  it('has set the entries before an iterator threw', () => {
    using map = hash()
    const mistake = new Error('mine')
    const entries = function* (): Generator<[Uint8Array, Uint8Array]> {
      yield [key(1), key(10)]
      yield [key(2), key(20)]
      throw mistake
    }
    expect(thrownBy(() => map.setMany(entries()))).toBe(mistake)
    expect(keysIn(map)).toEqual([1, 2])
  })

  it('has set the entries before one that the kernel refuses', () => {
    using map = hash(3)
    const error = thrownBy(() => map.setMany([5, 4, 3, 2, 1].map((n) => [key(n), key(n)])))
    expect(error).toMatchObject({ code: 'E2BIG', map: 'entries' })
    expect((error as Error).message).toContain('setMany: the map is full: it has room for 3 entries')
    expect(keysIn(map)).toEqual([3, 4, 5])
  })

  it('has set the entries before one that exists, with BPF_NOEXIST', () => {
    using map = hash()
    map.set(key(3), key(0))
    const entries = [1, 2, 3, 4].map((n) => [key(n), key(n)] as const)
    const error = thrownBy(() => map.setMany(entries, { flags: BPF_NOEXIST }))
    expect(error).toMatchObject({ code: 'EEXIST' })
    expect((error as Error).message).toContain('the key exists already')
    expect(keysIn(map)).toEqual([1, 2, 3])
    expect([...map.get(key(3))!]).toEqual([0, 0, 0, 0])
  })

  it('reports the first failure, when an earlier entry cannot be set either', () => {
    using map = hash(1)
    const entries: [Uint8Array, Uint8Array][] = [
      [key(1), key(1)],
      [key(2), key(2)],
      [key(3), new Uint8Array(1)],
    ]
    expect(thrownBy(() => map.setMany(entries))).toMatchObject({ code: 'E2BIG' })
  })
})

describe('BpfMap.getMany', () => {
  it('returns the values in the order of the keys, and undefined for those that do not exist', () => {
    using map = hash(10_000)
    const numbers = Array.from({ length: 10_000 }, (_, n) => n)
    map.setMany(numbers.filter((n) => n % 3 > 0).map((n) => [key(n), key(n + 1)]))
    const expected = numbers.map((n) => (n % 3 > 0 ? key(n + 1) : undefined)).reverse()
    expect(map.getMany(numbers.map(key).reverse())).toEqual(expected)
    expect(map.getMany(new Set([key(4), key(3)]))).toEqual([key(5), undefined])
    expect(map.getMany([])).toEqual([])
  })

  it('reads all CPUs of a per-CPU map', () => {
    using map = BpfMap.create({ type: 'percpu_array', keySize: 4, valueSize: 4, maxEntries: 3 })
    map.set(key(1), map.get(key(1))!.fill(7))
    const [first, second, beyond] = map.getMany([key(0), key(1), key(3)])
    expect(first).toEqual(map.get(key(0)))
    expect(second).toEqual(map.get(key(1)))
    expect(second![0]).toBe(7)
    expect(beyond).toBeUndefined()
  })

  it('can be called by the iterator of another call, as can setMany', () => {
    using map = hash()
    const entries = function* (): Generator<[Uint8Array, Uint8Array]> {
      for (const n of [1, 2, 3]) {
        yield [key(n), key(10 * n)]
        map.setMany([[key(100 + n), key(n)]])
        expect(map.getMany([key(100 + n), key(n)])).toEqual([key(n), undefined])
      }
    }
    map.setMany(entries())
    expect(map.getMany([1, 2, 3, 101, 102, 103].map(key))).toEqual([10, 20, 30, 1, 2, 3].map(key))
  })

  it('says that it failed, and why', () => {
    using map = BpfMap.create({ type: 'sockmap', keySize: 4, valueSize: 4, maxEntries: 4 })
    const error = thrownBy(() => map.getMany([key(0)]))
    expect((error as Error).message).toContain(
      'getMany: reading a sockmap gives the cookies of its sockets, which have 8 bytes',
    )
  })
})

describe('small batches', () => {
  it('write zeros where a value has gaps, whatever was there before', () => {
    using bytes = BpfMap.create({ type: 'hash', keySize: 16, valueSize: 16, maxEntries: 8 })
    using object = load('maps')
    const byPoint = object.map<{ x: number; y: number; label: string }, bigint>('by_point')
    const ones = new Uint8Array(16).fill(0xff)
    bytes.setMany([[ones, ones]])
    byPoint.setMany([[{ x: 1, y: 2, label: 'a' }, 5n]])
    expect(byPoint.get({ x: 1, y: 2, label: 'a' })).toBe(5n)
    expect(byPoint.getMany([{ x: 1, y: 2, label: 'a' }])).toEqual([5n])
  })
})

describe('BpfMap.deleteMany', () => {
  it('that throws has deleted the keys before', () => {
    using map = hash()
    map.setMany([1, 2, 3].map((n) => [key(n), key(n)]))
    expect(thrownBy(() => map.deleteMany([key(1), key(2), new Uint8Array(1), key(3)]))).toBeInstanceOf(
      RangeError,
    )
    expect(keysIn(map)).toEqual([3])
  })

  requiresKernel('5.11', 'of storage by descriptors asks for each before it is closed', () => {
    using object = open('storage')
    for (const map of object.maps.values()) if (!map.isInternal) map.autocreate = map.name === 'tasks'
    object.loadSync()
    const tasks = object.map<number, bigint>('tasks')
    const entries = function* (): Generator<[number, bigint]> {
      using task = Pidfd.open(process.pid)
      yield [task.fd, 7n]
      task.close()
      const other = openSync('/dev/null', 'r')
      closeSync(other)
    }
    tasks.setMany(entries())
    using task = Pidfd.open(process.pid)
    expect(tasks.get(task.fd)).toBe(7n)
    const keys = function* (): Generator<number> {
      using task = Pidfd.open(process.pid)
      yield task.fd
    }
    expect(tasks.deleteMany(keys())).toBe(1)
    expect(tasks.get(task.fd)).toBeUndefined()
  })
})

describe('BpfMap.setMany of a map of maps', () => {
  it.each(['array_of_maps', 'hash_of_maps'] as const)('puts in each map while it is open: %s', (type) => {
    using example = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    using outer = BpfMap.create<Uint8Array, BpfMap>({
      type,
      keySize: 4,
      valueSize: 4,
      maxEntries: 8,
      innerMap: example,
    })
    const ids: number[] = []
    const entries = function* (): Generator<[Uint8Array, BpfMap]> {
      for (let n = 0; n < 8; n++) {
        // Closed before the next one is made, which then has the same descriptor.
        using inner = outer.createInner()
        ids.push(inner.id)
        yield [key(n), inner]
      }
    }
    outer.setMany(entries())
    const found = Array.from({ length: 8 }, (_, n) => {
      using inner = outer.get(key(n))!
      return inner.id
    })
    expect(found).toEqual(ids)
    expect(new Set(found).size).toBe(8)
  })

  it('says why a map is refused', () => {
    using example = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    using other = BpfMap.create({ type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 })
    using outer = BpfMap.create<Uint8Array, BpfMap>({
      type: 'array_of_maps',
      keySize: 4,
      valueSize: 4,
      maxEntries: 2,
      innerMap: example,
    })
    const error = thrownBy(() =>
      outer.setMany([
        [key(0), example],
        [key(1), other],
      ]),
    )
    expect((error as Error).message).toContain('value size 8 bytes instead of 4')
    expect(outer.size).toBe(1)
  })
})

describe('getters in keys and values', () => {
  interface Point {
    x: number
    y: number
    label: string
  }

  it('that use the map by which they are set are refused', () => {
    using object = load('maps')
    const points = object.map<number, Point>('points')
    const uses: (() => unknown)[] = [
      () => points.get(2),
      () => points.set(2, { x: 2, y: 2, label: '' }),
      () => [...points.keys()],
      () => points.nextKey(),
      () => points.nextKey(1),
      () => points.raw.has(new Uint8Array(4)),
    ]
    for (const use of uses) {
      points.clear()
      points.set(9, { x: 9, y: 9, label: 'nine' })
      const value = {
        get x() {
          use()
          return 1
        },
        y: 1,
        label: 'one',
      }
      const result = (() => {
        try {
          points.set(1, value)
          return 'set'
        } catch (error) {
          return (error as { code: string }).code
        }
      })()
      // Reading in batches does not touch the buffers.
      if (result === 'set') expect(points.get(1)).toEqual({ x: 1, y: 1, label: 'one' })
      else expect(result).toBe('ERR_BPF_BUSY')
      expect(points.get(9)).toEqual({ x: 9, y: 9, label: 'nine' })
    }
  })

  it('can use the map in setMany', () => {
    using object = load('maps')
    const points = object.map<number, Point>('points')
    const value = (x: number): Point => ({
      get x() {
        points.set(100 + x, { x: -x, y: 0, label: '' })
        return x
      },
      y: 0,
      label: '',
    })
    points.setMany([1, 2, 3].map((n) => [n, value(n)]))
    for (const n of [1, 2, 3]) {
      expect(points.get(n)?.x).toBe(n)
      expect(points.get(100 + n)?.x).toBe(-n)
    }
  })

  it('can close the map: the call is refused', () => {
    using map = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 4 })
    const entries = function* (): Generator<[Uint8Array, Uint8Array]> {
      yield [key(1), key(1)]
      map.close()
    }
    expect(thrownBy(() => map.setMany(entries()))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    using other = hash()
    for (let n = 0; n < 100; n++) other.set(key(n), key(n))
    const walk = (): void => {
      for (const _ of other.batches({ size: 1 })) other.close()
    }
    expect(thrownBy(walk)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })
})
