import { BpfMap, type BpfObject } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, open, thrownBy } from './helpers/objects.js'

const packet = { data: new Uint8Array(64) }

/** What the kernel takes for the value of a map of maps: a descriptor. */
const fdBytes = (map: BpfMap<unknown, unknown>): Uint8Array => new Uint8Array(Uint32Array.of(map.fd).buffer)

const number = (bytes: Uint8Array | undefined): number | undefined =>
  bytes === undefined ? undefined : new DataView(bytes.buffer).getUint32(0, true)

/** An inner map like those that `outer` takes, with a value under key 1. */
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
  it('says until load what its maps are like', () => {
    using object = open('map-of-maps')
    const declared = object.map('outer').innerMap
    expect(declared).toMatchObject({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 2 })
    expect(object.map('outer_hash').innerMap).toBeUndefined()
    expect(object.map('inner_one').innerMap).toBeUndefined()
  })

  it('keeps its declaration: libbpf lets nobody change it', () => {
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
      expect((error as Error).message).toContain('an inner map is as it was declared')
    }
    expect(declared.maxEntries).toBe(2)
    expect(() => declared.fd).toThrow('is not in the kernel')
    expect(() => declared.get(new Uint8Array(4))).toThrow('is not in the kernel')
  })

  it('takes maps like its inner map only', () => {
    using object = open('map-of-maps')
    object.map('outer_hash').autocreate = false
    object.loadSync()
    const outer = object.map<number>('outer')
    using hash = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 4, maxEntries: 2 })
    expect(thrownBy(() => outer.set(2, fdBytes(hash)))).toMatchObject({ code: 'EINVAL' })
    using array = inner(1)
    outer.set(2, fdBytes(array))
    expect(number(outer.get(2))).toBe(array.id)
  })

  it('lets go of the declaration at load', () => {
    using object = open('map-of-maps')
    object.map('outer_hash').autocreate = false
    const declared = object.map('outer').innerMap!
    object.loadSync()
    expect(thrownBy(() => declared.maxEntries)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(object.map('outer').innerMap).toBeUndefined()
  })

  it('holds the maps that it was declared with', () => {
    using object = open('map-of-maps')
    object.map('outer_hash').autocreate = false
    object.loadSync()
    const outer = object.map<number>('outer')
    expect(number(outer.get(0))).toBe(object.map('inner_one').id)
    expect(outer.get(1)).toBeUndefined()
  })

  it('is what programs look into', () => {
    using object = open('map-of-maps')
    object.map('outer_hash').autocreate = false
    object.loadSync()
    const outer = object.map<number>('outer')
    const run = (): number => object.program('through_outer').testRunSync(packet).retval | 0
    expect(run()).toBe(-1)
    const first = inner(33)
    outer.set(1, fdBytes(first))
    expect(run()).toBe(33)
    // The outer map holds it.
    first.close()
    expect(run()).toBe(33)
    using second = inner(44)
    outer.set(1, fdBytes(second))
    expect(run()).toBe(44)
    expect(outer.delete(1)).toBe(true)
    expect(run()).toBe(-1)
  })

  it('without a declaration cannot be made unless setInnerMap says what is in it', () => {
    using refused = open('map-of-maps')
    expect(() => refused.loadSync()).toThrow("map 'outer_hash'")
    using object = open('map-of-maps')
    using example = BpfMap.create({ type: 'hash', keySize: 8, valueSize: 8, maxEntries: 1 })
    object.map('outer_hash').setInnerMap(example)
    object.loadSync()
    const outer = object.map<number, number>('outer_hash')
    outer.set(5, example.fd)
    expect([...outer]).toEqual([[5, example.id]])
    using other = inner(1)
    expect(thrownBy(() => outer.set(6, other.fd))).toMatchObject({ code: 'EINVAL' })
  })

  it('keeps the example that setInnerMap was given until load', () => {
    // The example is closed by then.
    using object = openWithInner()
    object.loadSync()
    expect(object.map('outer_hash').info().type).toBe('hash_of_maps')
  })

  it('is the only kind of map that takes an inner map, and takes it once', () => {
    using object = open('map-of-maps')
    using example = inner(1)
    expect(thrownBy(() => object.map('inner_one').setInnerMap(example))).toMatchObject({ code: 'EINVAL' })
    object.map('outer_hash').setInnerMap(example)
    expect(thrownBy(() => object.map('outer_hash').setInnerMap(example))).toMatchObject({ code: 'EINVAL' })
  })

  it('is made without an object, too', () => {
    using example = inner(1)
    using outer = BpfMap.create({
      type: 'array_of_maps',
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
      innerMap: example,
    })
    outer.set(new Uint8Array(4), fdBytes(example))
    expect(number(outer.get(new Uint8Array(4)))).toBe(example.id)
    expect(
      thrownBy(() => BpfMap.create({ type: 'array_of_maps', keySize: 4, valueSize: 4, maxEntries: 1 })),
    ).toMatchObject({ code: expect.stringMatching(/EBADF|EINVAL/) })
  })

  it('is too late for an inner map after load', () => {
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
  it('are those of its declaration, although the kernel knows none', () => {
    using object = open('map-of-maps')
    object.map('outer_hash').autocreate = false
    object.loadSync()
    expect([...object.map<number>('outer').keys()]).toEqual([0, 1, 2, 3])
    expect(() => load('map-of-maps').close()).toThrow()
  })
})
