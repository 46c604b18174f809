import { BpfMap, type MapOptions, type MapType } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'

const nothing = new Uint8Array()
const noPrealloc = 1

describe('a queue or stack', () => {
  it.each([
    ['queue', [1, 2, 3]],
    ['stack', [3, 2, 1]],
  ])('a %s returns values in its order', (name, order) => {
    using object = load('maps')
    const map = object.map<Uint8Array | undefined, number>(name)
    for (const value of [1, 2, 3]) map.set(undefined, value)
    expect(map.get(undefined)).toBe(order[0])
    expect(order.map(() => map.lookupAndDelete(undefined))).toEqual(order)
    expect(map.lookupAndDelete(undefined)).toBeUndefined()
  })

  it('cannot be iterated', () => {
    using object = load('maps')
    const queue = object.map('queue')
    expect(thrownBy(() => [...queue.keys()])).toMatchObject({ code: 'ENOTSUP', map: 'queue' })
  })

  it('throws E2BIG when it has maxEntries values', () => {
    using object = load('maps')
    const queue = object.map<undefined, number>('queue')
    for (let i = 0; i < 4; i++) queue.set(undefined, i)
    expect(thrownBy(() => queue.set(undefined, 4))).toMatchObject({ code: 'E2BIG' })
  })
})

describe('an lpm_trie', () => {
  it('finds the longest prefix', () => {
    using object = load('maps')
    const routes = object.map<{ bits: number; address: Uint8Array }, number>('routes')
    routes.set({ bits: 8, address: Uint8Array.of(10, 0, 0, 0) }, 1)
    routes.set({ bits: 24, address: Uint8Array.of(10, 1, 2, 0) }, 2)
    expect(routes.get({ bits: 32, address: Uint8Array.of(10, 1, 2, 3) })).toBe(2)
    expect(routes.get({ bits: 32, address: Uint8Array.of(10, 9, 9, 9) })).toBe(1)
    expect(routes.get({ bits: 32, address: Uint8Array.of(11, 0, 0, 1) })).toBeUndefined()
    expect([...routes.keys()].map(({ bits }) => bits).sort()).toEqual([24, 8])
  })
})

describe('a bloom_filter', () => {
  requiresKernel('5.16', 'takes the number of hash functions as extra', () => {
    using object = open('bloom')
    const seen = object.map<Uint8Array | undefined, number>('seen')
    expect(seen.extra).toBe(3n)
    seen.extra = 5n
    object.loadSync()
    expect(seen.info().extra).toBe(5n)
    // Bloom filters have values, but no keys.
    seen.set(undefined, 17)
    expect(thrownBy(() => seen.delete(undefined))).toMatchObject({ map: 'seen' })
  })
})

describe('BpfMap.create', () => {
  const sizes = { keySize: 4, valueSize: 4, maxEntries: 2 }
  const kinds: [MapType, Partial<MapOptions>][] = [
    ['hash', {}],
    ['array', {}],
    ['prog_array', {}],
    ['perf_event_array', {}],
    ['percpu_hash', {}],
    ['percpu_array', {}],
    ['stack_trace', { valueSize: 8 }],
    ['cgroup_array', {}],
    ['lru_hash', {}],
    ['lru_percpu_hash', {}],
    ['lpm_trie', { keySize: 8, flags: noPrealloc }],
    ['devmap', {}],
    ['sockmap', {}],
    ['cpumap', {}],
    ['xskmap', {}],
    ['sockhash', {}],
    ['reuseport_sockarray', {}],
    ['queue', { keySize: 0 }],
    ['stack', { keySize: 0 }],
    ['devmap_hash', {}],
    ['ringbuf', { keySize: 0, valueSize: 0, maxEntries: 4096 }],
  ]

  it.each(kinds)('creates a map of type %s', (type, options) => {
    using map = BpfMap.create({ type, ...sizes, ...options })
    expect(map.info()).toMatchObject({ type, ...sizes, ...options })
    expect(map.type).toBe(type)
  })

  requiresKernel('6.1', 'creates a map of type user_ringbuf', () => {
    using map = BpfMap.create({ type: 'user_ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 })
    expect(map.type).toBe('user_ringbuf')
  })

  requiresKernel('5.16', 'creates a bloom filter with extra', () => {
    using map = BpfMap.create({ type: 'bloom_filter', keySize: 0, valueSize: 4, maxEntries: 10, extra: 4n })
    expect(map.info().extra).toBe(4n)
    map.set(nothing, Uint8Array.of(1, 2, 3, 4))
  })

  it('passes the flags to the kernel', () => {
    using map = BpfMap.create({ type: 'hash', ...sizes, flags: noPrealloc })
    expect(map.info().flags).toBe(noPrealloc)
    expect(map.flags).toBe(noPrealloc)
  })

  it('passes the NUMA node to the kernel', () => {
    const numa = { type: 'hash', ...sizes, flags: 1 << 2 } as const
    using map = BpfMap.create({ ...numa, numaNode: 0 })
    expect(map.info().flags).toBe(1 << 2)
    expect(thrownBy(() => BpfMap.create({ ...numa, numaNode: 1000 }))).toMatchObject({ code: 'EINVAL' })
  })
})
