import { BpfMap } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, open, thrownBy } from '../helpers/objects.js'

const noPrealloc = 1
const numaNode = 4
const zero = new Uint8Array(4)

/** Access by name, for tables of settings. */
const fieldsOf = (map: BpfMap): Record<string, unknown> => map as unknown as Record<string, unknown>

describe('a map property that is set before load', () => {
  it('type, sizes, maxEntries and flags take effect in the kernel', () => {
    using object = open('maps')
    const map = object.map('bytes')
    map.type = 'lru_hash'
    map.keySize = 8
    map.valueSize = 16
    map.maxEntries = 100
    map.flags = 0
    expect(map).toMatchObject({ type: 'lru_hash', keySize: 8, valueSize: 16, maxEntries: 100, flags: 0 })
    object.loadSync()
    expect(map.info()).toMatchObject({
      type: 'lru_hash',
      keySize: 8,
      valueSize: 16,
      maxEntries: 100,
      flags: 0,
    })
    map.set(new Uint8Array(8).fill(1), new Uint8Array(16).fill(2))
    expect([...map]).toEqual([[new Uint8Array(8).fill(1), new Uint8Array(16).fill(2)]])
  })

  it('flags are reported by the kernel', () => {
    using object = open('maps')
    expect(object.map('routes').flags).toBe(noPrealloc)
    object.map('points').flags = noPrealloc
    object.loadSync()
    expect(object.map('points').info().flags).toBe(noPrealloc)
  })

  it('numaNode must be a node that exists', () => {
    using object = open('maps')
    const points = object.map('points')
    points.flags = numaNode
    points.numaNode = 0
    object.loadSync()
    expect(points.numaNode).toBe(0)
    expect(points.info().flags & numaNode).toBe(numaNode)
    using refused = open('maps')
    refused.map('points').flags = numaNode
    refused.map('points').numaNode = 1000
    expect(() => refused.loadSync()).toThrow("map 'points'")
  })

  it('ifindex must be a device that can offload maps', () => {
    using object = open('maps')
    const points = object.map('points')
    expect(points.ifindex).toBe(0)
    points.ifindex = 1
    expect(points.ifindex).toBe(1)
    expect(() => object.loadSync()).toThrow("map 'points'")
  })

  it('extra is refused for types without an extra value', () => {
    using object = open('maps')
    object.map('points').extra = 7n
    expect(object.map('points').extra).toBe(7n)
    expect(() => object.loadSync()).toThrow("map 'points'")
  })

  it('maxEntries of a ring buffer is rounded up to a power of two of pages', () => {
    using object = open('maps')
    const ring = object.map('ring')
    ring.maxEntries = 5000
    expect(ring.maxEntries).toBe(8192)
    object.loadSync()
    expect(ring.info().maxEntries).toBe(8192)
  })

  it('valueSize turns values into bytes if they no longer fit their type', () => {
    using object = open('maps')
    const points = object.map('points')
    points.valueSize = 32
    object.loadSync()
    expect(points.info().valueSize).toBe(32)
    ;(points as BpfMap<unknown, unknown>).set(1, new Uint8Array(32).fill(3))
    expect([...points.raw.values()]).toEqual([new Uint8Array(32).fill(3)])
    expect((points as BpfMap<unknown, unknown>).get(1)).toEqual(new Uint8Array(32).fill(3))
  })

  it('initialValue is the first content of a section', () => {
    using object = open('globals')
    const map = object.map('.data.custom')
    expect([...map.initialValue!]).toEqual([5, 0, 0, 0])
    map.initialValue = Uint8Array.of(1, 1, 0, 0)
    expect(object.globals('.data.custom').custom).toBe(257)
    object.loadSync()
    expect([...map.get(zero)!]).toEqual([1, 1, 0, 0])
    expect(
      thrownBy(() => {
        map.initialValue = zero
      }),
    ).toMatchObject({ code: 'EBUSY' })
  })

  it('initialValue is a copy of a fixed size, and other maps have none', () => {
    using object = open('globals')
    const map = object.map('.data.custom')
    map.initialValue!.fill(9)
    expect([...map.initialValue!]).toEqual([5, 0, 0, 0])
    expect(
      thrownBy(() => {
        map.initialValue = new Uint8Array(5)
      }),
    ).toMatchObject({ code: 'EINVAL' })
    using maps = open('maps')
    expect(maps.map('points').initialValue).toBeUndefined()
    expect(
      thrownBy(() => {
        maps.map('points').initialValue = new Uint8Array(24)
      }),
    ).toMatchObject({ code: 'EINVAL' })
  })

  it('valueSize makes a section longer, and programs can use all of it', () => {
    using object = open('globals')
    const map = object.map('.data.custom')
    map.valueSize = 4096
    expect(map.initialValue?.length).toBe(4096)
    map.initialValue = new Uint8Array(4096).fill(1)
    object.loadSync()
    expect(map.info().valueSize).toBe(4096)
    expect(map.get(zero)).toEqual(new Uint8Array(4096).fill(1))
  })

  it('type and maxEntries of a section cannot be set, because libbpf has mapped its memory', () => {
    using object = open('globals')
    const map = object.map('.bss')
    expect(
      thrownBy(() => {
        map.type = 'hash'
      }),
    ).toMatchObject({ code: 'EINVAL' })
    expect(
      thrownBy(() => {
        map.maxEntries = 2
      }),
    ).toMatchObject({ code: 'EINVAL' })
    object.loadSync()
    expect(map.info()).toMatchObject({ type: 'array', maxEntries: 1 })
  })

  it('autoattach exists only for struct_ops', () => {
    using object = open('maps')
    const map = object.map('points')
    expect(map.autoattach).toBe(false)
    expect(
      thrownBy(() => {
        map.autoattach = true
      }),
    ).toMatchObject({ code: 'EINVAL' })
  })

  it('pinPath can be set, changed and removed', () => {
    using object = open('maps')
    const map = object.map('points')
    expect(map.pinPath).toBeUndefined()
    map.pinPath = '/sys/fs/bpf/somewhere'
    expect(map.pinPath).toBe('/sys/fs/bpf/somewhere')
    map.pinPath = undefined
    expect(map.pinPath).toBeUndefined()
    object.loadSync()
    expect(map.isPinned).toBe(false)
  })
})

describe('BpfMap.reuse', () => {
  const like = { type: 'hash', name: 'mine', keySize: 4, valueSize: 24, maxEntries: 16 } as const

  it.each([
    ['a map', (map: BpfMap): BpfMap | number => map],
    ['a descriptor', (map: BpfMap): BpfMap | number => map.fd],
  ])('with %s makes load use that map', (_, what) => {
    using mine = BpfMap.create(like)
    mine.set(Uint8Array.of(1, 0, 0, 0), new Uint8Array(24).fill(65))
    using object = open('maps')
    const points = object.map<number, { label: string }>('points')
    points.reuse(what(mine))
    object.loadSync()
    expect(points.id).toBe(mine.id)
    expect(points.fd).not.toBe(mine.fd)
    expect(points.get(1)?.label).toBe('A'.repeat(16))
  })

  it('keeps working when the given map is closed', () => {
    using object = open('maps')
    const mine = BpfMap.create(like)
    const { id } = mine
    object.map('points').reuse(mine)
    mine.close()
    object.loadSync()
    expect(object.map('points').id).toBe(id)
  })

  it('takes over maxEntries of the given map', () => {
    using mine = BpfMap.create({ ...like, maxEntries: 1000 })
    using object = open('maps')
    object.map('points').reuse(mine)
    expect(object.map('points').maxEntries).toBe(1000)
  })

  it('lets two objects share a map', () => {
    using first = load('maps')
    using second = open('maps')
    second.map('numbers').reuse(first.map('numbers'))
    second.loadSync()
    second.map<number, bigint>('numbers').set(0, 7n)
    expect(first.map<number, bigint>('numbers').get(0)).toBe(7n)
  })

  it.each([
    ['a closed descriptor', 65_000, /^EBADFD?$/],
    ['what is no map', 1, /^EINVAL$/],
  ])('refuses %s', (_, fd, code) => {
    using object = open('maps')
    expect(thrownBy(() => object.map('points').reuse(fd))).toMatchObject({
      code: expect.stringMatching(code),
      map: 'points',
    })
  })

  it('of a section refuses a map with other sizes', () => {
    using object = open('globals')
    using other = BpfMap.create({ type: 'array', keySize: 4, valueSize: 1 << 16, maxEntries: 1 })
    expect(thrownBy(() => object.map('.bss').reuse(other))).toMatchObject({ code: 'ERR_BPF_MISMATCH' })
    const { valueSize } = object.map('.bss')
    using long = BpfMap.create({ type: 'array', keySize: 4, valueSize, maxEntries: 2 })
    expect(thrownBy(() => object.map('.bss').reuse(long))).toMatchObject({ code: 'EINVAL' })
  })

  it('reports every difference that programs cannot deal with', () => {
    using object = open('maps')
    using other = BpfMap.create({ type: 'array', keySize: 4, valueSize: 8, maxEntries: 3 })
    const points = object.map('points')
    const error = thrownBy(() => points.reuse(other)) as Error
    expect(error).toMatchObject({ code: 'ERR_BPF_MISMATCH', map: 'points' })
    expect(error.message).toContain('it has type array instead of hash, value size 8 bytes instead of 24')
    expect(points.maxEntries).toBe(16)
    object.loadSync()
    expect(points.type).toBe('hash')
  })
})

describe('a map after load', () => {
  it.each([
    ['type', 'array'],
    ['keySize', 8],
    ['valueSize', 8],
    ['maxEntries', 5],
    ['flags', 1],
    ['extra', 1n],
    ['numaNode', 1],
    ['ifindex', 1],
    ['autocreate', false],
  ])('refuses to set %s', (name, value) => {
    using object = load('maps')
    const fields = fieldsOf(object.map('points'))
    const before = fields[name]
    expect(
      thrownBy(() => {
        fields[name] = value
      }),
    ).toMatchObject({ code: 'EBUSY', map: 'points' })
    expect(fields[name]).toEqual(before)
  })

  it('refuses to reuse another map', () => {
    using object = load('maps')
    const { id } = object.map('points')
    using other = BpfMap.create({ type: 'hash', keySize: 4, valueSize: 24, maxEntries: 16 })
    expect(thrownBy(() => object.map('points').reuse(other))).toMatchObject({ code: 'EBUSY' })
    expect(object.map('points').id).toBe(id)
  })
})

describe('key and value types that the kernel does not store', () => {
  it('are known after load', () => {
    using object = load('maps')
    const events = object.map<number, number>('perf_events')
    // The codec accepts the number, which is not the descriptor of a perf event. Otherwise this would be a TypeError.
    expect(thrownBy(() => events.set(0, 0xffff))).toMatchObject({ code: 'EBADF' })
    expect([...events.keys()]).toEqual([0, 1])
  })
})

describe('map properties of the wrong type or range', () => {
  it.each([
    ['type', 'map', TypeError],
    ['keySize', '4', TypeError],
    ['valueSize', -1, RangeError],
    ['maxEntries', 2 ** 32, RangeError],
    ['maxEntries', '1', TypeError],
    ['flags', 0.5, TypeError],
    ['extra', 1, TypeError],
    ['extra', -1n, RangeError],
    ['numaNode', null, TypeError],
    ['autocreate', 0, TypeError],
    ['pinPath', 7, TypeError],
    ['pinPath', 'a\0b', TypeError],
    ['initialValue', 'text', TypeError],
  ])('%s = %o throws and changes nothing', (name, value, error) => {
    using object = open('maps')
    const fields = fieldsOf(object.map('points'))
    const before = fields[name]
    expect(() => {
      fields[name] = value
    }).toThrow(error)
    expect(fields[name]).toEqual(before)
  })
})
