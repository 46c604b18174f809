import { BPF_F_INNER_MAP, BpfMap, type BpfObject } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { runChild } from '../helpers/child.js'
import { requiresKernel } from '../helpers/kernel.js'
import { load, objectPath, open, thrownBy } from '../helpers/objects.js'

const packet = { data: new Uint8Array(64) }

type Inner = BpfMap<number, number>

/** The id of the map under a key. The map is opened and closed. */
function idAt<K>(outer: BpfMap<K, BpfMap>, key: K): number | undefined {
  using found = outer.get(key)
  return found?.id
}

/** A map that `outer` accepts, with a value under key 1. */
function inner(value: number): BpfMap {
  const map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 2 })
  map.set(Uint8Array.of(1, 0, 0, 0), Uint8Array.of(value, 0, 0, 0))
  return map
}

function openWithInner(): BpfObject {
  const object = open('map-of-maps')
  using example = BpfMap.create({ type: 'hash', keySize: 8, valueSize: 8, maxEntries: 1 })
  object.map('outer_hash').setInnerMap(example)
  return object
}

describe('a map of maps', () => {
  it('has the declaration of its inner maps until load', () => {
    using object = open('map-of-maps')
    const declared = object.map('outer').innerMap
    expect(declared).toMatchObject({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 2 })
    expect(object.map('outer_hash').innerMap).toBeUndefined()
    expect(object.map('inner_one').innerMap).toBeUndefined()
  })

  it('has an inner declaration that cannot be changed', () => {
    using object = open('map-of-maps')
    const declared = object.map('outer').innerMap!
    for (const set of [
      () => {
        declared.maxEntries = 5
      },
      () => {
        declared.pinPath = '/nowhere'
      },
      () => {
        declared.initialValue = new Uint8Array(4)
      },
      () => declared.reuse(0),
    ]) {
      const error = thrownBy(set)
      expect(error).toMatchObject({ code: 'ERR_BPF_STATE' })
      expect((error as Error).message).toContain('an inner map cannot be changed: it is as it was declared')
    }
    expect(declared.maxEntries).toBe(2)
    expect(() => declared.fd).toThrow('is not in the kernel')
    expect(() => declared.get(new Uint8Array(4))).toThrow('is not in the kernel')
  })

  it('refuses maps that differ from the declaration', () => {
    using object = open('map-of-maps')
    object.map('outer_hash').autocreate = false
    object.loadSync()
    const outer = object.map<number, BpfMap>('outer')
    using hash = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 2 })
    const error = thrownBy(() => outer.set(2, hash))
    expect(error).toMatchObject({ code: 'EINVAL', map: 'outer' })
    expect((error as Error).message).toContain(
      'that map differs from the declaration of the inner maps: type hash instead of array',
    )
    using array = inner(1)
    outer.set(2, array)
    expect(idAt(outer, 2)).toBe(array.id)
  })

  it('drops the declaration at load', () => {
    using object = open('map-of-maps')
    object.map('outer_hash').autocreate = false
    const declared = object.map('outer').innerMap!
    object.loadSync()
    expect(thrownBy(() => declared.maxEntries)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(object.map('outer').innerMap).toBeUndefined()
  })

  it('contains the maps of its C declaration', () => {
    using object = open('map-of-maps')
    object.map('outer_hash').autocreate = false
    object.loadSync()
    const outer = object.map<number, BpfMap>('outer')
    expect(idAt(outer, 0)).toBe(object.map('inner_one').id)
    expect(outer.get(1)).toBeUndefined()
  })

  it('is read by programs', () => {
    using object = open('map-of-maps')
    object.map('outer_hash').autocreate = false
    object.loadSync()
    const outer = object.map<number, BpfMap>('outer')
    const run = (): number => object.program('through_outer').testRunSync(packet).retval | 0
    expect(run()).toBe(-1)
    const first = inner(33)
    outer.set(1, first)
    expect(run()).toBe(33)
    // The outer map keeps it in the kernel.
    first.close()
    expect(run()).toBe(33)
    using second = inner(44)
    outer.set(1, second)
    expect(run()).toBe(44)
    expect(outer.delete(1)).toBe(true)
    expect(run()).toBe(-1)
  })

  it('needs setInnerMap if C declares no inner maps', () => {
    using refused = open('map-of-maps')
    expect(() => refused.loadSync()).toThrow("map 'outer_hash'")
    using object = open('map-of-maps')
    using example = BpfMap.create({ type: 'hash', keySize: 8, valueSize: 8, maxEntries: 1 })
    object.map('outer_hash').setInnerMap(example)
    object.loadSync()
    const outer = object.map<number, BpfMap, BpfMap | number>('outer_hash')
    outer.set(5, example.fd)
    const entries = [...outer]
    expect(entries.map(([key, map]) => [key, map.id])).toEqual([[5, example.id]])
    for (const [, map] of entries) map.close()
    using other = inner(1)
    const error = thrownBy(() => outer.set(6, other.fd)) as Error
    expect(error).toMatchObject({ code: 'EINVAL' })
    expect(error.message).toContain(
      'type array instead of hash, key size 4 bytes instead of 8, value size 4 bytes instead of 8',
    )
  })

  it('keeps the example of setInnerMap until load, even if it is closed', () => {
    // The example is closed already.
    using object = openWithInner()
    object.loadSync()
    expect(object.map('outer_hash').info().type).toBe('hash_of_maps')
  })

  it('is the only type of map with setInnerMap, which can be called once', () => {
    using object = open('map-of-maps')
    using example = inner(1)
    expect(thrownBy(() => object.map('inner_one').setInnerMap(example))).toMatchObject({ code: 'EINVAL' })
    object.map('outer_hash').setInnerMap(example)
    expect(thrownBy(() => object.map('outer_hash').setInnerMap(example))).toMatchObject({ code: 'EINVAL' })
  })

  it('can be created without an object', () => {
    using example = inner(1)
    using outer = BpfMap.create<Uint8Array, BpfMap>({
      type: 'array_of_maps',
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
      innerMap: example,
    })
    outer.set(new Uint8Array(4), example)
    expect(idAt(outer, new Uint8Array(4))).toBe(example.id)
    // The kernel takes a descriptor and returns an id.
    const id = outer.raw.get(new Uint8Array(4))!
    expect(new DataView(id.buffer).getUint32(0, true)).toBe(example.id)
    using made = outer.createInner()
    expect(made.info()).toMatchObject({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 2 })
    expect(
      thrownBy(() => BpfMap.create({ type: 'array_of_maps', keySize: 4, valueSize: 4, maxEntries: 1 })),
    ).toMatchObject({ code: expect.stringMatching(/EBADF|EINVAL/) })
  })

  it('refuses setInnerMap after load', () => {
    using object = open('map-of-maps')
    object.map('outer_hash').autocreate = false
    object.loadSync()
    using example = inner(1)
    expect(thrownBy(() => object.map('outer').setInnerMap(example))).toMatchObject({
      code: 'EBUSY',
    })
  })
})

describe('the types of a map of maps', () => {
  it('are those of its declaration, although the kernel has no types for it', () => {
    using object = open('map-of-maps')
    object.map('outer_hash').autocreate = false
    object.loadSync()
    expect([...object.map<number>('outer').keys()]).toEqual([0, 1, 2, 3])
    expect(() => load('map-of-maps').close()).toThrow()
  })
})

describe('the maps in a map of maps', () => {
  function loadOuter(): { object: BpfObject; outer: BpfMap<number, Inner, Inner | number> } {
    const object = open('map-of-maps')
    object.map('outer_hash').autocreate = false
    object.loadSync()
    return { object, outer: object.map<number, Inner, Inner | number>('outer') }
  }

  it('have the types of their declaration when they are read or created', () => {
    const { object, outer } = loadOuter()
    using _ = object
    using made = outer.createInner({ name: 'made' })
    expect(made.info()).toMatchObject({ type: 'array', name: 'made', maxEntries: 2 })
    made.set(1, 7)
    outer.set(1, made)
    using found = outer.get(1)!
    expect(found.id).toBe(made.id)
    expect(found.get(1)).toBe(7)
    found.set(1, 8)
    expect(object.program('through_outer').testRunSync(packet).retval).toBe(8)
  })

  it('stay in the outer map when the handle from get() is closed', () => {
    const { object, outer } = loadOuter()
    using _ = object
    const found = outer.get(0)!
    found.close()
    expect(() => found.get(0)).toThrow('it is closed')
    expect(idAt(outer as unknown as BpfMap<number, BpfMap>, 0)).toBe(object.map('inner_one').id)
  })

  it('are iterated as open maps', () => {
    const { object, outer } = loadOuter()
    using _ = object
    using other = outer.createInner()
    outer.set(2, other)
    const seen: [number, number][] = []
    for (const [key, map] of outer) {
      seen.push([key, map.id])
      map.close()
    }
    expect(seen).toEqual([
      [0, object.map('inner_one').id],
      [2, other.id],
    ])
  })

  requiresKernel('5.15', 'can have values with a timer, because the kernel gets their types', () => {
    using object = load('map-of-timers')
    type Timed = { number: bigint }
    const outer = object.map<number, BpfMap<number, Timed>>('outer')
    using made = outer.createInner()
    expect(made.info().btfId).toBeGreaterThan(0)
    outer.set(1, made)
    made.set(0, { number: 7n })
    using found = outer.get(1)!
    expect(found.get(0)).toMatchObject({ number: 7n })
    // The same with a declaration by example.
    using other = BpfMap.create<Uint8Array, BpfMap>({
      type: 'hash_of_maps',
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
      innerMap: object.map('inner_one') as BpfMap<unknown, unknown>,
    })
    using second = other.createInner()
    other.set(new Uint8Array(4), second)
    expect(idAt(other, new Uint8Array(4))).toBe(second.id)
    using plain = BpfMap.create({ type: 'array', keySize: 4, valueSize: made.valueSize, maxEntries: 2 })
    expect(() => outer.set(2, plain as unknown as BpfMap<number, Timed>)).toThrow('EINVAL')
  })

  it('can have different lengths only with BPF_F_INNER_MAP', () => {
    const { object, outer } = loadOuter()
    using _ = object
    using long = outer.createInner({ maxEntries: 5 })
    expect(() => outer.set(1, long)).toThrow('maxEntries 5 instead of 2')
    // The declaration does not have the flag.
    using flagged = outer.createInner({ maxEntries: 5, flags: BPF_F_INNER_MAP })
    expect(() => outer.set(1, flagged)).toThrow('flags 0x1000 instead of 0x0')
    using declared = BpfMap.create<Uint8Array, BpfMap>({
      type: 'array_of_maps',
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
      innerMap: flagged as BpfMap<unknown, unknown>,
    })
    using longer = declared.createInner({ maxEntries: 100 })
    declared.set(new Uint8Array(4), longer)
    expect(idAt(declared, new Uint8Array(4))).toBe(longer.id)
  })

  it.each([
    ['no map', { fd: 3 }, TypeError],
    ['nothing', undefined, TypeError],
    ['a number that is no descriptor', -1, RangeError],
  ])('cannot be replaced by %s', (_, value, error) => {
    const { object, outer } = loadOuter()
    using __ = object
    expect(thrownBy(() => outer.set(1, value as unknown as Inner))).toBeInstanceOf(error)
  })

  it('cannot be closed maps or descriptors of other files', () => {
    const { object, outer } = loadOuter()
    using _ = object
    const closed = outer.createInner()
    closed.close()
    expect(thrownBy(() => outer.set(1, closed))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(thrownBy(() => outer.set(1, 1))).toMatchObject({ code: expect.stringMatching(/EINVAL|EBADF/) })
  })

  it('cannot be created if the map of maps was opened by its id', () => {
    const { object, outer } = loadOuter()
    using _ = object
    using again = BpfMap.fromId<Uint8Array, BpfMap>(outer.id)
    expect(thrownBy(() => again.createInner())).toMatchObject({ code: 'ERR_BPF_STATE' })
    expect(idAt(again, new Uint8Array(4))).toBe(object.map('inner_one').id)
  })

  it('require CAP_SYS_ADMIN to be opened', async () => {
    const script = `
      import { BpfMap, BpfObject } from 'libbpf-node'
      using object = BpfObject.open(process.argv[1])
      object.map('outer_hash').autocreate = false
      object.loadSync()
      try { object.map('outer').get(0) } catch (error) { console.log(error.code, error.message) }`
    const under = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin']
    const { stdout, stderr } = await runChild(script.replace('using', 'const'), [objectPath('map-of-maps')], {
      under,
    })
    expect(stderr).toBe('')
    expect(stdout).toContain('EPERM')
    expect(stdout).toContain('lacks CAP_SYS_ADMIN')
  })
})
