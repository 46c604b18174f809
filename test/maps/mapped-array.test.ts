import { BpfMap, type BpfObject, type MappedArray } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, open, thrownBy } from '../helpers/objects.js'

interface Counter {
  packets: bigint
  limits: number[]
  name: string
}

const mmapable = 1 << 10
const count = (object: BpfObject): number =>
  object.program('count').testRunSync({ data: new Uint8Array(64) }).retval

function mapCounters(object: BpfObject): MappedArray<Counter> {
  return object.map<number, Counter>('counters').mmap()
}

describe('BpfMap.mmap', () => {
  it('maps memory that programs read and write', () => {
    using object = load('mapped')
    using counters = mapCounters(object)
    expect(counters.length).toBe(3)
    const { items } = counters
    items[1]!.limits[1] = 77
    expect(count(object)).toBe(77)
    count(object)
    expect(items[1]!.packets).toBe(2n)
    expect(items[1]).toMatchObject({ packets: 2n, name: 'x' })
    expect(counters.get(1)).toEqual({ packets: 2n, limits: [0, 77], name: 'x' })
    expect(object.map<number, Counter>('counters').get(1)).toEqual(counters.get(1))
    expect([...counters].map(({ packets }) => packets)).toEqual([0n, 2n, 0n])
  })

  it('writes whole values and single members', () => {
    using object = load('mapped')
    using counters = mapCounters(object)
    const value = { packets: 2n ** 64n - 1n, limits: [1, 2], name: 'ab' }
    expect(counters.set(2, value)).toBe(counters)
    expect(object.map<number, Counter>('counters').get(2)).toEqual(value)
    counters.items[0] = value
    expect(counters.get(0)).toEqual(value)
    counters.items[0]!.name = 'é'
    expect(counters.get(0)).toEqual({ ...value, name: 'é' })
    expect(counters.get(1)).toEqual({ packets: 0n, limits: [0, 0], name: '' })
  })

  it('finds values that are padded to 8 bytes, over several pages', () => {
    using object = load('mapped')
    const map = object.map<number, number>('numbers')
    using numbers = map.mmap()
    map.set(1999, 0xffff_ffff).set(1, 7)
    expect(numbers.get(1999)).toBe(0xffff_ffff)
    expect(numbers.items[1]).toBe(7)
    numbers.set(1998, 5)
    expect(map.get(1998)).toBe(5)
    expect([...numbers].reduce((a, b) => a + b)).toBe(0xffff_ffff + 12)
  })

  it.each([-1, 3, 1.5, Number.NaN, 2 ** 53, undefined, '1'])(
    'throws a RangeError for the index %s',
    (index) => {
      using object = load('mapped')
      using counters = mapCounters(object)
      const value = { packets: 1n, limits: [1, 2], name: '' }
      expect(thrownBy(() => counters.get(index as number))).toBeInstanceOf(RangeError)
      expect(thrownBy(() => counters.set(index as number, value))).toBeInstanceOf(RangeError)
    },
  )

  it('writes nothing of a value that is wrong', () => {
    using object = load('mapped')
    using counters = mapCounters(object)
    expect(() => counters.set(0, { packets: 1n, limits: [1, -1], name: '' })).toThrow('value.limits[1]')
    expect(() => {
      counters.items[0]!.packets = -1n
    }).toThrow('counters[0].packets')
    expect(counters.get(0)).toEqual({ packets: 0n, limits: [0, 0], name: '' })
    expect(() => {
      counters.items[3] = counters.get(0)
    }).toThrow(RangeError)
  })

  it('writes the right bytes when a getter in the value writes another value', () => {
    using object = load('mapped')
    using counters = mapCounters(object)
    const nested = { packets: 2n, limits: [3, 4], name: 'in' }
    const value = {
      packets: 1n,
      get limits() {
        counters.set(1, nested)
        expect(counters.get(1)).toEqual(nested)
        return [5, 6]
      },
      name: 'out',
    }
    counters.set(0, value)
    expect(counters.get(0)).toEqual({ packets: 1n, limits: [5, 6], name: 'out' })
    expect(counters.get(1)).toEqual(nested)
    counters.items[2] = {
      packets: 7n,
      get limits() {
        counters.items[2] = nested
        counters.items[0]!.name = 'x'
        return [8, 9]
      },
      name: 'c',
    }
    expect(counters.get(2)).toEqual({ packets: 7n, limits: [8, 9], name: 'c' })
    expect(counters.get(0).name).toBe('x')
  })

  it('stays usable when the object is closed, until it is closed itself', () => {
    const object = load('mapped')
    const counters = mapCounters(object)
    const { items } = counters
    count(object)
    object.close()
    expect(items[1]!.packets).toBe(1n)
    counters.close()
    counters.close()
    expect(thrownBy(() => counters.get(1))).toMatchObject({ code: 'ERR_BPF_CLOSED', map: 'counters' })
    expect(thrownBy(() => items[1]!.packets)).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    expect(
      thrownBy(() => {
        items[1]!.packets = 1n
      }),
    ).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  it('maps a frozen map for reading only', () => {
    using object = load('mapped')
    const map = object.map<number, number>('numbers')
    map.set(3, 4)
    expect(map.isFrozen).toBe(false)
    map.freeze()
    expect(map.isFrozen).toBe(true)
    const error = thrownBy(() => map.mmap())
    expect(error).toMatchObject({ code: 'EPERM', map: 'numbers', operation: 'mmap' })
    expect((error as Error).message).toContain('mmap({ writable: false })')
    using numbers = map.mmap({ writable: false })
    expect(numbers.get(3)).toBe(4)
    expect(thrownBy(() => numbers.set(3, 5))).toMatchObject({ code: 'EACCES' })
    expect(
      thrownBy(() => {
        numbers.items[3] = 5
      }),
    ).toMatchObject({ code: 'EACCES' })
    expect(numbers.get(3)).toBe(4)
  })

  it('prevents freeze() while the map is mapped for writing', () => {
    using object = load('mapped')
    const map = object.map<number, number>('numbers')
    const numbers = map.mmap()
    expect(thrownBy(() => map.freeze())).toMatchObject({ code: 'EBUSY' })
    numbers.close()
    map.freeze()
  })

  it('throws for maps without BPF_F_MMAPABLE', () => {
    using object = load('mapped')
    const error = thrownBy(() => object.map('plain').mmap())
    expect(error).toMatchObject({ code: 'ENOTSUP', map: 'plain' })
    expect((error as Error).message).toContain('BPF_F_MMAPABLE')
    using before = open('mapped')
    expect(() => before.map('counters').mmap()).toThrow('is not in the kernel')
  })

  it('has bytes as values if the map has no types', () => {
    using map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 3, maxEntries: 2, flags: mmapable })
    using bytes = map.mmap()
    bytes.set(1, Uint8Array.of(1, 2, 3))
    expect(map.get(Uint8Array.of(1, 0, 0, 0))).toEqual(Uint8Array.of(1, 2, 3))
    bytes.items[0] = Uint8Array.of(4, 5, 6)
    expect(bytes.items[0]).toEqual(Uint8Array.of(4, 5, 6))
    expect(() => bytes.set(0, new Uint8Array(4))).toThrow(RangeError)
  })
})

describe('MappedArray.items', () => {
  const fill = (counters: MappedArray<Counter>): void => {
    for (const i of [0, 1, 2]) counters.set(i, { packets: BigInt(i + 1), limits: [i, i], name: `n${i}` })
  }
  const packets = (counters: MappedArray<Counter>): bigint[] => [...counters].map(({ packets }) => packets)

  it('can be reversed, sorted and moved in place', () => {
    using object = load('mapped')
    using counters = mapCounters(object)
    fill(counters)
    const { items } = counters
    const first = items[0]!
    expect(items.reverse()).toBe(items)
    expect(packets(counters)).toEqual([3n, 2n, 1n])
    expect(counters.get(2)).toEqual({ packets: 1n, limits: [0, 0], name: 'n0' })
    // An item stands for its place, not for the value that was there.
    expect(first.packets).toBe(3n)
    expect(items.sort((a, b) => Number(a.packets - b.packets))).toBe(items)
    expect(packets(counters)).toEqual([1n, 2n, 3n])
    expect(items.map(({ name }) => name)).toEqual(['n0', 'n1', 'n2'])
    items.copyWithin(0, 1)
    expect(packets(counters)).toEqual([2n, 3n, 3n])
    items.fill(items[0]!)
    expect(packets(counters)).toEqual([2n, 2n, 2n])
    expect(items.toReversed()).toHaveLength(3)
  })

  it('refuses methods that would change the length, and changes nothing', () => {
    using object = load('mapped')
    using counters = mapCounters(object)
    fill(counters)
    const { items } = counters
    for (const change of [
      () => items.shift(),
      () => items.unshift(items[0]!),
      () => items.splice(0, 1),
      () => items.pop(),
      () => {
        items.length = 1
      },
    ]) {
      expect(thrownBy(change)).toBeInstanceOf(TypeError)
    }
    expect(thrownBy(() => items.push(items[0]!))).toBeInstanceOf(RangeError)
    expect(packets(counters)).toEqual([1n, 2n, 3n])
  })

  it.each(['01', '00', '007'])("refuses the index '%s'", (index) => {
    using object = load('mapped')
    using counters = mapCounters(object)
    const items = counters.items as unknown as Record<string, unknown>
    expect(thrownBy(() => items[index])).toBeInstanceOf(RangeError)
    expect(
      thrownBy(() => {
        items[index] = counters.get(0)
      }),
    ).toBeInstanceOf(RangeError)
    expect(items['9']).toBeUndefined()
  })
})

describe('BpfMap.mmapArena', () => {
  const pages = { type: 'arena', keySize: 0, valueSize: 0, maxEntries: 4, flags: mmapable } as const

  requiresKernel('6.9', 'maps an arena, which can be written and read', () => {
    using map = BpfMap.create(pages)
    expect(map.info()).toMatchObject({ type: 'arena', maxEntries: 4 })
    using arena = map.mmapArena()
    expect(arena.size).toBe(4 * 4096)
    arena.write(4094, Uint8Array.of(1, 2, 3, 4))
    expect(arena.read(4093, 6)).toEqual(Uint8Array.of(0, 1, 2, 3, 4, 0))
    expect(arena.read(3 * 4096, 4096)).toEqual(new Uint8Array(4096))
    expect(thrownBy(() => arena.read(4 * 4096 - 1, 2))).toBeInstanceOf(RangeError)
    expect(thrownBy(() => arena.write(-1, new Uint8Array(1)))).toBeInstanceOf(RangeError)
    for (const length of [Number.NaN, 1.5, '4' as unknown as number, undefined as unknown as number])
      expect(thrownBy(() => arena.read(0, length))).toBeInstanceOf(TypeError)
    for (const length of [-1, 2 ** 40, Number.MAX_SAFE_INTEGER])
      expect(thrownBy(() => arena.read(0, length))).toBeInstanceOf(RangeError)
    expect(thrownBy(() => arena.read(Number.NaN, 1))).toBeInstanceOf(TypeError)
    arena.close()
    expect(thrownBy(() => arena.read(0, 1))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
  })

  requiresKernel('6.9', 'maps an arena only once', () => {
    using map = BpfMap.create(pages)
    using _ = map.mmapArena()
    expect(() => map.mmapArena()).toThrow('an arena can be mapped only once')
  })

  requiresKernel('6.9', 'throws EFAULT, instead of crashing, for a page that is not allocated', () => {
    using map = BpfMap.create({ ...pages, flags: mmapable | (1 << 17) }) // BPF_F_SEGV_ON_FAULT
    using arena = map.mmapArena()
    expect(thrownBy(() => arena.read(0, 1))).toMatchObject({ code: 'EFAULT' })
    expect(thrownBy(() => arena.write(0, Uint8Array.of(1)))).toMatchObject({ code: 'EFAULT' })
  })

  requiresKernel(
    '6.9',
    'uses the mapping of libbpf for the arena of an object, and ends with the object',
    () => {
      const object = load('arena')
      using arena = object.map('arena').mmapArena()
      arena.write(4096, Uint8Array.of(9))
      using again = object.map('arena').mmapArena()
      expect(again.read(4096, 1)).toEqual(Uint8Array.of(9))
      object.close()
      expect(thrownBy(() => arena.read(4096, 1))).toMatchObject({ code: 'ERR_BPF_CLOSED' })
    },
  )

  requiresKernel('6.9', 'reads what a program wrote', () => {
    using object = load('arena')
    using arena = object.map('arena').mmapArena()
    const context = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    expect(object.program('fill').testRunSync({ context }).retval).toBe(0)
    expect(arena.read(8, 8)).toEqual(context)
    expect(arena.read(0, 8)).toEqual(new Uint8Array(8))
  })

  it('throws for maps that are not arenas', () => {
    using map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1, flags: mmapable })
    expect(thrownBy(() => map.mmapArena())).toMatchObject({ code: 'ENOTSUP' })
  })
})
