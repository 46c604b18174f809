import { BPF_EXIST, BPF_NOEXIST, BpfError, BpfMap } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'

interface Point {
  x: number
  y: number
  label: string
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

describe('the entries of a BpfMap', () => {
  it('are set, read, checked and deleted like those of an ES Map', () => {
    using object = load('maps')
    const points = object.map<number, Point>('points')
    expect(points.get(1)).toBeUndefined()
    expect(points.has(1)).toBe(false)
    expect(points.set(1, { x: 1, y: -2, label: 'one' })).toBe(points)
    points.set(0xffff_ffff, { x: 2 ** 31 - 1, y: -(2 ** 31), label: '' })
    expect(points.get(1)).toEqual({ x: 1, y: -2, label: 'one' })
    expect(points.get(0xffff_ffff)).toEqual({ x: 2 ** 31 - 1, y: -(2 ** 31), label: '' })
    expect(points.has(1)).toBe(true)
    expect(points.size).toBe(2)
    expect(points.delete(1)).toBe(true)
    expect(points.delete(1)).toBe(false)
    expect(points.size).toBe(1)
  })

  it('can have structs as keys', () => {
    using object = load('maps')
    const byPoint = object.map<Point, bigint>('by_point')
    byPoint.set({ x: 1, y: 2, label: 'a' }, 5n)
    expect(byPoint.get({ x: 1, y: 2, label: 'a' })).toBe(5n)
    expect(byPoint.get({ x: 1, y: 2, label: 'b' })).toBeUndefined()
    expect([...byPoint.keys()]).toEqual([{ x: 1, y: 2, label: 'a' }])
  })

  it('are iterated by keys(), values(), entries() and forEach()', () => {
    using object = load('maps')
    const points = object.map<number, Point>('points')
    const all = Array.from({ length: 16 }, (_, i): [number, Point] => [i, { x: i, y: 0, label: `p${i}` }])
    for (const [key, value] of all) points.set(key, value)
    const byKey = (a: [number, unknown], b: [number, unknown]): number => a[0] - b[0]
    expect([...points].sort(byKey)).toEqual(all)
    expect([...points.entries()].sort(byKey)).toEqual(all)
    expect([...points.keys()].sort((a, b) => a - b)).toEqual(all.map(([key]) => key))
    expect([...points.values()].map(({ x }) => x).sort((a, b) => a - b)).toEqual(all.map(([key]) => key))
    const seen: [number, Point][] = []
    points.forEach((value, key, map) => {
      expect(map).toBe(points)
      seen.push([key, value])
    })
    expect(seen.sort(byKey)).toEqual(all)
    expect(points.size).toBe(16)
  })

  it('can be deleted while keys() runs', () => {
    using object = load('maps')
    const points = object.map<number, Point>('points')
    for (let i = 0; i < 16; i++) points.set(i, { x: i, y: 0, label: '' })
    const seen: number[] = []
    for (const key of points.keys()) {
      seen.push(key)
      points.delete(key)
    }
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i))
    expect(points.size).toBe(0)
  })

  it('can be set while entries() runs', () => {
    using object = load('maps')
    const points = object.map<number, Point>('points')
    for (let i = 0; i < 16; i++) points.set(i, { x: i, y: 0, label: '' })
    for (const [key, value] of points) points.set(key, { ...value, y: value.y + 1 })
    expect([...points.values()].map(({ y }) => y)).toEqual(new Array(16).fill(1))
  })

  it('can be iterated inside another iteration', () => {
    using object = load('maps')
    const points = object.map<number, Point>('points')
    for (let i = 0; i < 16; i++) points.set(i, { x: i, y: 0, label: '' })
    const pairs = new Set<string>()
    for (const outer of points.keys()) {
      for (const [inner, { x }] of points) pairs.add(`${outer} ${inner} ${x}`)
      expect(points.get(outer)?.x).toBe(outer)
    }
    expect(pairs.size).toBe(16 * 16)
  })

  it('are all deleted by clear()', () => {
    using object = load('maps')
    const points = object.map<number, Point>('points')
    for (let i = 0; i < 16; i++) points.set(i, { x: i, y: 0, label: '' })
    points.clear()
    expect([...points]).toEqual([])
  })

  it('can be walked with nextKey()', () => {
    using object = load('maps')
    const numbers = object.map<number, bigint>('numbers')
    expect(numbers.nextKey()).toBe(0)
    expect(numbers.nextKey(0)).toBe(1)
    expect(numbers.nextKey(3)).toBeUndefined()
    const points = object.map<number, Point>('points')
    expect(points.nextKey()).toBeUndefined()
    points.set(9, { x: 0, y: 0, label: '' })
    expect(points.nextKey()).toBe(9)
    expect(points.nextKey(9)).toBeUndefined()
    expect(points.nextKey(1234)).toBe(9)
  })
})

describe('the flags of BpfMap.set', () => {
  it('BPF_NOEXIST refuses a key that exists, BPF_EXIST one that does not', () => {
    using object = load('maps')
    // Not the map 'recent': a small LRU hash may evict the key to make room for the same key.
    const points = object.map<number, Point>('points')
    const at = (x: number): Point => ({ x, y: 0, label: '' })
    expect(thrownBy(() => points.set(1, at(1), { flags: BPF_EXIST }))).toMatchObject({
      code: 'ENOENT',
      map: 'points',
      operation: 'bpf_map_update_elem',
    })
    points.set(1, at(1), { flags: BPF_NOEXIST })
    expect(thrownBy(() => points.set(1, at(2), { flags: BPF_NOEXIST }))).toMatchObject({ code: 'EEXIST' })
    expect(points.get(1)?.x).toBe(1)
    points.set(1, at(2), { flags: BPF_EXIST })
    expect(points.get(1)?.x).toBe(2)
  })

  it('throw EINVAL if the kernel does not know them', () => {
    using object = load('maps')
    const recent = object.map<number, number>('recent')
    expect(thrownBy(() => recent.set(1, 1, { flags: 1 << 20 }))).toMatchObject({ code: 'EINVAL' })
    expect(thrownBy(() => recent.get(1, { flags: 1 << 20 }))).toMatchObject({ code: 'EINVAL' })
  })
})

describe('BpfMap.lookupAndDelete', () => {
  requiresKernel('5.14', 'returns the value of an entry of a hash table and deletes it', () => {
    using object = load('maps')
    const recent = object.map<number, number>('recent')
    recent.set(5, 50)
    expect(recent.lookupAndDelete(5)).toBe(50)
    expect(recent.lookupAndDelete(5)).toBeUndefined()
    expect(recent.has(5)).toBe(false)
  })

  it('throws for arrays, whose entries cannot be deleted', () => {
    using object = load('maps')
    const numbers = object.map<number, bigint>('numbers')
    expect(thrownBy(() => numbers.lookupAndDelete(0))).toMatchObject({ map: 'numbers' })
    expect(thrownBy(() => numbers.delete(0))).toMatchObject({ code: 'EINVAL' })
    expect(thrownBy(() => numbers.clear())).toMatchObject({ code: 'EINVAL' })
    expect(numbers.get(0)).toBe(0n)
    expect(numbers.get(4)).toBeUndefined()
  })
})

describe('a full map', () => {
  it('refuses another key with E2BIG and keeps its entries', () => {
    using object = load('maps')
    const points = object.map<number, Point>('points')
    for (let i = 0; i < 16; i++) points.set(i, { x: i, y: 0, label: '' })
    expect(thrownBy(() => points.set(16, { x: 16, y: 0, label: '' }))).toMatchObject({ code: 'E2BIG' })
    points.set(3, { x: 33, y: 0, label: '' })
    expect(points.size).toBe(16)
  })

  it('drops its oldest entries if it is an LRU hash', () => {
    using object = load('maps')
    const recent = object.map<number, number>('recent')
    for (let i = 0; i < 1000; i++) recent.set(i, i)
    expect(recent.get(999)).toBe(999)
    expect(recent.size).toBeLessThanOrEqual(64)
  })
})

describe('BpfMap.raw', () => {
  it('reads and writes the same map as bytes', () => {
    using object = load('maps')
    const points = object.map<number, Point>('points')
    points.set(0x04030201, { x: 1, y: -1, label: 'é' })
    const { raw } = points
    expect(raw).toBe(points.raw)
    expect([...raw.keys()]).toEqual([bytes(1, 2, 3, 4)])
    const value = raw.get(bytes(1, 2, 3, 4))!
    expect([...value]).toEqual([1, 0, 0, 0, 255, 255, 255, 255, 0xc3, 0xa9, ...new Array(14).fill(0)])
    value[0] = 9
    raw.set(bytes(1, 2, 3, 4), value)
    expect(points.get(0x04030201)?.x).toBe(9)
  })

  it('returns copies, so that changing one affects neither the map nor later results', () => {
    using object = load('maps')
    const { raw } = object.map<number, number>('recent')
    const key = bytes(1, 0, 0, 0)
    const value = bytes(5, 6, 7, 8)
    raw.set(key, value)
    value.fill(0)
    const first = raw.get(key)!
    first.fill(0)
    const [gotKey] = [...raw.keys()]
    gotKey!.fill(0)
    expect([...raw.get(key)!]).toEqual([5, 6, 7, 8])
    expect([...raw.keys()]).toEqual([key])
  })

  it('accepts Buffers and views of a part of a larger buffer', () => {
    using object = load('maps')
    const { raw } = object.map('recent')
    const large = bytes(9, 9, 1, 2, 3, 4, 9, 9)
    raw.set(Buffer.from([7, 0, 0, 0]), large.subarray(2, 6))
    expect([...raw.get(bytes(7, 0, 0, 0))!]).toEqual([1, 2, 3, 4])
  })

  it('looks like a map that is declared with sizes instead of types', () => {
    using object = load('maps')
    const map = object.map('bytes')
    map.set(bytes(1, 2, 3), bytes(1, 2, 3, 4, 5))
    expect([...map]).toEqual([[bytes(1, 2, 3), bytes(1, 2, 3, 4, 5)]])
    expect([map.btfKeyTypeId, map.btfValueTypeId]).toEqual([0, 0])
  })

  it.each<[string, Uint8Array, Uint8Array, string]>([
    ['a short key', bytes(1, 2), bytes(1, 2, 3, 4, 5), "key has 2 bytes, but the map's keys have 3"],
    ['a long key', bytes(1, 2, 3, 4), bytes(1, 2, 3, 4, 5), "key has 4 bytes, but the map's keys have 3"],
    ['an empty key', bytes(), bytes(1, 2, 3, 4, 5), "key has 0 bytes, but the map's keys have 3"],
    ['a short value', bytes(1, 2, 3), bytes(1, 2, 3, 4), "value has 4 bytes, but the map's values have 5"],
    ['a long value', bytes(1, 2, 3), new Uint8Array(6), "value has 6 bytes, but the map's values have 5"],
  ])('throws a RangeError that names the sizes for %s', (_, key, value, message) => {
    using object = load('maps')
    const map = object.map('bytes')
    const error = thrownBy(() => map.set(key, value))
    expect(error).toBeInstanceOf(RangeError)
    expect((error as Error).message).toBe(message)
    if (key.length !== 3) {
      for (const call of [
        () => map.get(key),
        () => map.has(key),
        () => map.delete(key),
        () => map.lookupAndDelete(key),
        () => map.nextKey(key),
      ]) {
        expect(call).toThrow(message)
      }
    }
    expect(map.size).toBe(0)
  })
})

describe('keys and values of the wrong type', () => {
  it.each<[unknown, unknown]>([
    ['1', 1],
    [1, '1'],
    [null, 1],
    [1, undefined],
    [1n, {}],
    [bytes(1, 0, 0, 0), '1'],
    [{}, 1],
  ])('set(%o, %o) throws a TypeError', (key, value) => {
    using object = load('maps')
    const map = object.map<unknown, unknown>('recent')
    expect(thrownBy(() => map.set(key, value))).toBeInstanceOf(TypeError)
    expect(map.size).toBe(0)
  })

  it.each<[number, number]>([
    [2 ** 32, 0],
    [-1, 0],
    [0, 2 ** 32],
    [1.5, 0],
    [Number.NaN, 0],
  ])('set(%d, %d) throws, because a number does not fit', (key, value) => {
    using object = load('maps')
    const map = object.map<number, number>('recent')
    expect(thrownBy(() => map.set(key, value))).toBeInstanceOf(Error)
    expect(thrownBy(() => map.set(key, value))).not.toBeInstanceOf(BpfError)
    expect(map.size).toBe(0)
  })

  it('are named by their path in the error', () => {
    using object = load('maps')
    const points = object.map<number, unknown>('points')
    expect(() => points.set(1, { x: 1, y: 'two', label: '' })).toThrow(/^value\.y: /)
    expect(() => points.set(1, { x: 1, label: '' })).toThrow(/^value\.y: missing/)
    expect(() => points.set(1, { x: 1, y: 2, label: 'longer than fifteen' })).toThrow(/^value\.label: /)
    expect(() => (points as BpfMap<unknown, unknown>).get('1')).toThrow(/^key: /)
  })
})

describe('the properties of a map', () => {
  it('are those of its declaration, in libbpf and in the kernel', () => {
    using object = load('maps')
    const points = object.map('points')
    const same = { type: 'hash', keySize: 4, valueSize: 24, maxEntries: 16, flags: 0, extra: 0n, ifindex: 0 }
    expect(points).toMatchObject({ ...same, name: 'points', isInternal: false, autocreate: true })
    const { id, ...info } = points.info()
    expect(info).toMatchObject({ ...same, name: 'points' })
    expect(info.btfId).toBeGreaterThan(0)
    expect(info.btfKeyTypeId).toBe(points.btfKeyTypeId)
    expect(info.btfValueTypeId).toBe(points.btfValueTypeId)
    expect(id).toBe(points.id)
  })

  it('stay readable when the map of an object is closed', () => {
    using object = load('maps')
    object.map('points').close()
    expect(object.map('points').info().maxEntries).toBe(16)
  })

  requiresKernel('5.2', 'include freeze(), which makes the map read-only for user space', () => {
    using object = load('maps')
    const numbers = object.map<number, bigint>('numbers')
    numbers.set(1, 10n)
    numbers.freeze()
    const error = thrownBy(() => numbers.set(1, 11n))
    expect(error).toMatchObject({ code: 'EPERM', operation: 'bpf_map_update_elem', map: 'numbers' })
    expect(numbers.get(1)).toBe(10n)
    expect([...numbers.values()]).toEqual([0n, 10n, 0n, 0n])
    expect(thrownBy(() => numbers.freeze())).toMatchObject({ code: expect.stringMatching(/EBUSY|EPERM/) })
  })
})

describe('a BpfMap without an object', () => {
  it('is created with the given sizes', () => {
    using map = BpfMap.create({ type: 'hash', name: 'lonely', keySize: 2, valueSize: 3, maxEntries: 5 })
    expect(map.info()).toMatchObject({
      type: 'hash',
      name: 'lonely',
      keySize: 2,
      valueSize: 3,
      maxEntries: 5,
    })
    expect(map).toMatchObject({ type: 'hash', name: 'lonely', keySize: 2, valueSize: 3, maxEntries: 5 })
    map.set(bytes(1, 2), bytes(3, 4, 5))
    expect([...map]).toEqual([[bytes(1, 2), bytes(3, 4, 5)]])
  })

  it('is opened by its id or descriptor, and keeps the map in the kernel', () => {
    using first = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    using byId = BpfMap.fromId(first.id)
    using byFd = BpfMap.fromFd(first.fd)
    expect(byId.id).toBe(first.id)
    expect(byFd.id).toBe(first.id)
    expect(byFd.fd).not.toBe(first.fd)
    first.set(bytes(0, 0, 0, 0), bytes(1, 2, 3, 4))
    first.close()
    for (const map of [byId, byFd]) expect([...map.get(bytes(0, 0, 0, 0))!]).toEqual([1, 2, 3, 4])
  })

  it('throws ERR_BPF_CLOSED after close(), which can be called twice', () => {
    const map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    map.close()
    map.close()
    expect(thrownBy(() => map.fd)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(thrownBy(() => map.get(bytes(0, 0, 0, 0)))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(thrownBy(() => [...map.keys()])).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  it('has no setters, because its properties are fixed', () => {
    using map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    for (const set of [
      () => {
        map.maxEntries = 5
      },
      () => {
        map.pinPath = '/x'
      },
      () => map.reuse(map),
      () => map.isPinned,
    ]) {
      const error = thrownBy(set)
      expect(error).toMatchObject({ code: 'ERR_BPF_STATE' })
      expect((error as Error).message).toContain('does not belong to an object: its properties are fixed')
    }
  })

  it.each([
    ['fromFd', () => BpfMap.fromFd(1), 'EINVAL'],
    ['fromFd', () => BpfMap.fromFd(-1), 'EBADF'],
    ['fromFd', () => BpfMap.fromFd(65_000), 'EBADF'],
    ['fromId', () => BpfMap.fromId(0xffff_fffe), 'ENOENT'],
    ['fromPin', () => BpfMap.fromPin('/nowhere'), 'ENOENT'],
    ['create', () => BpfMap.create({ type: 'hash', keySize: 0, valueSize: 4, maxEntries: 1 }), 'EINVAL'],
    ['create', () => BpfMap.create({ type: 'array', keySize: 8, valueSize: 4, maxEntries: 1 }), 'EINVAL'],
  ])('throws an error that names the cause for %s', (_, make, code) => {
    const error = thrownBy(make)
    expect(error).toBeInstanceOf(BpfError)
    expect(error).toMatchObject({ code })
  })

  it.each([
    ['type', 'hashh'],
    ['keySize', '4'],
    ['valueSize', undefined],
    ['maxEntries', 1.5],
    ['flags', '0'],
    ['extra', 1],
    ['name', 7],
  ])('throws a TypeError if it is created with %s: %j', (option, value) => {
    const options = { type: 'hash', keySize: 4, valueSize: 4, maxEntries: 1, [option]: value } as const
    expect(thrownBy(() => BpfMap.create(options as never))).toBeInstanceOf(TypeError)
  })
})

describe('a map that is not loaded', () => {
  it('throws for every operation on entries', () => {
    using object = open('maps')
    const points = object.map<number, Point>('points')
    expect(() => points.get(1)).toThrow("map 'points' is not in the kernel: load the object first")
    expect(() => [...points]).toThrow('load the object first')
    expect(() => points.raw.has(bytes(0, 0, 0, 0))).toThrow('load the object first')
  })
})
