import { BpfMap, type Codec, PerfBuffer, possibleCpus, RingBuffer, UserRingBuffer } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { load, thrownBy } from '../helpers/objects.js'

const key = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer)

/** A codec that hands out the memory it is given, instead of a copy. */
function viewing(size: number): Codec<Uint8Array> {
  return {
    typeId: 0,
    size,
    flexible: false,
    decode: (view, offset = 0) => new Uint8Array(view.buffer, view.byteOffset + offset, size),
    encode: (value, view, offset = 0) =>
      new Uint8Array(view.buffer, view.byteOffset + offset, size).set(value),
    byteLength: () => size,
    decodeBytes: (bytes) => bytes,
    encodeBytes: (value) => value,
  }
}

const types = { key: viewing(4), value: viewing(8) }
const hash = (): BpfMap => BpfMap.create({ type: 'hash', keySize: 4, valueSize: 8, maxEntries: 64, ...types })
const detach = ({ buffer }: Uint8Array): void => {
  structuredClone(buffer, { transfer: [buffer as ArrayBuffer] })
}

describe('a codec of your own that returns a view of its buffer', () => {
  it('can transfer the buffer: the map goes on, and nothing is written into freed memory', () => {
    using map = hash()
    for (let i = 0; i < 200; i++) {
      map.set(key(i % 8), new Uint8Array(8).fill(i))
      const value = map.get(key(i % 8))!
      expect([...value]).toEqual(new Array(8).fill(i & 0xff))
      detach(value)
      expect(value.length).toBe(0)
      for (const found of map.keys()) detach(found)
      for (const [found, value] of map) [found, value].forEach(detach)
      detach(map.nextKey()!)
    }
    expect(map.size).toBe(8)
  })

  it('gets a copy each time: what it returned does not change afterwards', async () => {
    using map = hash()
    for (let i = 0; i < 20; i++) map.set(key(i), new Uint8Array(8).fill(i))
    const first = map.get(key(1))!
    const second = map.get(key(2))!
    expect([first[0], second[0]]).toEqual([1, 2])
    first.fill(99)
    expect(map.get(key(1))![0]).toBe(1)
    const numbers = Array.from({ length: 20 }, (_, i) => i)
    const sorted = (keys: Uint8Array[]): number[] => keys.map(([n]) => n!).sort((a, b) => a - b)
    expect(sorted([...map.keys()])).toEqual(numbers)
    expect(sorted([...map].map(([found]) => found))).toEqual(numbers)
    const later: Uint8Array[] = []
    for await (const [found] of map.entriesAsync({ size: 3 })) later.push(found)
    expect(sorted(later)).toEqual(numbers)
  })

  it('works for the values of per-CPU maps', () => {
    using map = BpfMap.create<Uint8Array, Uint8Array[]>({
      type: 'percpu_array',
      keySize: 4,
      valueSize: 8,
      maxEntries: 1,
      value: viewing(8) as unknown as Codec<Uint8Array[]>,
    })
    const values = Array.from({ length: possibleCpus() }, (_, cpu) => new Uint8Array(8).fill(cpu + 1))
    map.set(key(0), values)
    const found = map.get(key(0))!
    expect(found).toEqual(values)
    for (const value of found) detach(value)
    expect(map.get(key(0))).toEqual(values)
  })

  requiresKernel('5.5', 'works for mapped arrays', () => {
    using map = BpfMap.create({
      type: 'array',
      keySize: 4,
      valueSize: 8,
      maxEntries: 2,
      flags: 1 << 10,
      ...types,
    })
    using array = map.mmap()
    array.set(0, new Uint8Array(8).fill(5))
    detach(array.get(0))
    expect([...array.get(0)]).toEqual(new Array(8).fill(5))
    array.set(1, new Uint8Array(8).fill(6))
    expect([...array].map(([first]) => first)).toEqual([5, 6])
  })

  it('that detaches the buffer it should fill is a TypeError, and nothing is set', () => {
    const encode: Codec<Uint8Array>['encode'] = (_, view) => {
      structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] })
    }
    using map = BpfMap.create({
      type: 'hash',
      keySize: 4,
      valueSize: 8,
      maxEntries: 4,
      value: { ...viewing(8), encode },
    })
    const error = thrownBy(() => map.set(key(1), new Uint8Array(8)))
    expect(error).toBeInstanceOf(TypeError)
    expect((error as Error).message).toBe('the codec of the values detached its buffer')
    expect(thrownBy(() => map.setMany([[key(1), new Uint8Array(8)]]))).toBeInstanceOf(TypeError)
    expect(map.size).toBe(0)
  })

  it('is also one that was made from ours', () => {
    using object = load('maps')
    const ours = object.codec<number>('__u32')
    expect(Object.isFrozen(ours)).toBe(true)
    let kept: DataView | undefined
    const decode: Codec<number>['decode'] = (view, offset) => {
      kept = view
      return ours.decode(view, offset)
    }
    using map = BpfMap.create<number, number>({
      type: 'array',
      keySize: 4,
      valueSize: 4,
      maxEntries: 2,
      key: ours,
      value: { ...ours, decode },
    })
    map.set(1, 7)
    expect(map.get(1)).toBe(7)
    structuredClone(kept!.buffer, { transfer: [kept!.buffer as ArrayBuffer] })
    map.set(1, 8)
    expect(map.get(1)).toBe(8)
  })
})

describe('BpfMap.drain', () => {
  const numbered = (decode: Codec<number>['decode']): BpfMap<number, Uint8Array> => {
    using object = load('maps')
    const ours = object.codec<number>('__u32')
    const map = BpfMap.create<number, Uint8Array>({
      type: 'hash',
      keySize: 4,
      valueSize: 8,
      maxEntries: 64,
      key: { ...ours, decode },
    })
    for (let i = 0; i < 20; i++) map.set(i, new Uint8Array(8).fill(i))
    return map
  }
  const sorted = (entries: [number, Uint8Array][]): number[] =>
    entries.map(([key, value]) => (value[0] === key ? key : -1)).sort((a, b) => a - b)

  requiresKernel('5.14', 'delivers later what an earlier one left, each entry once', () => {
    using map = numbered((view, offset = 0) => view.getUint32(offset, true))
    const all: [number, Uint8Array][] = []
    for (let left = 5; all.length < 20; left = 5) {
      for (const entry of map.drain()) {
        all.push(entry)
        if (--left === 0) break
      }
    }
    expect(sorted(all)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect([...map.drain()]).toEqual([])
  })

  requiresKernel('5.14', 'loses only the entry that cannot be decoded', () => {
    using map = numbered((view, offset = 0) => {
      const key = view.getUint32(offset, true)
      if (key === 7) throw new Error('an unlucky number')
      return key
    })
    const all: [number, Uint8Array][] = []
    const takeAll = () => {
      for (const entry of map.drain()) all.push(entry)
    }
    expect(takeAll).toThrow('an unlucky number')
    takeAll()
    expect(sorted(all)).toEqual(Array.from({ length: 20 }, (_, i) => i).filter((i) => i !== 7))
  })
})

describe('an option that is not a codec', () => {
  const bad: [string, unknown][] = [
    ['a name', 'u32'],
    ['a number', 4],
    ['null', null],
    ['a function', () => 0],
    ['an object without functions', { size: 4 }],
    ['a decoder only', { size: 4, decode: () => 0 }],
    ['a codec without a size', { decode: () => 0, encode: () => {} }],
    ['a codec with half a byte', { ...viewing(4), size: 0.5 }],
    ['a codec with a negative size', { ...viewing(4), size: -4 }],
  ]

  it.each(bad)('is refused when it is given: %s', (_, codec) => {
    using map = BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 })
    const key = codec as Codec<never>
    const value = codec as Codec<never>
    const layout = { type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 } as const
    for (const make of [
      () => BpfMap.create({ ...layout, key }),
      () => BpfMap.create({ ...layout, value }),
      () => BpfMap.fromFd(map.fd, { key }),
      () => BpfMap.fromId(map.id, { value }),
      () => BpfMap.fromPin('/nonexistent', { key }),
    ]) {
      const error = thrownBy(make)
      expect(error).toBeInstanceOf(TypeError)
      expect((error as Error).message).toMatch(/^the codec of the (keys|values) is not a codec: /)
    }
  })

  it('of another size than the keys is a RangeError', () => {
    const error = thrownBy(() =>
      BpfMap.create({ type: 'array', keySize: 4, valueSize: 4, maxEntries: 1, value: viewing(8) }),
    )
    expect(error).toBeInstanceOf(RangeError)
    expect((error as Error).message).toContain('the codec of its values is for 8 bytes, but they have 4')
  })
})

describe('the codec of an event reader', () => {
  requiresKernel('5.8', 'is refused when it is given, if it is not a codec', () => {
    using ring = BpfMap.create({ type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 })
    using perf = BpfMap.create({ type: 'perf_event_array', keySize: 4, valueSize: 4, maxEntries: 1 })
    for (const codec of ['event', null, { encode: () => {} }]) {
      const options = { codec: codec as unknown as Codec<never> }
      for (const make of [() => new RingBuffer(ring, options), () => new PerfBuffer(perf, options)]) {
        const error = thrownBy(make)
        expect(error).toBeInstanceOf(TypeError)
        expect((error as Error).message).toBe('codec is not a codec: it has no function decode')
      }
    }
  })
})

describe('the codec of a user ring buffer', () => {
  requiresKernel('6.1', 'is refused when it is given, if it is not a codec', () => {
    using map = BpfMap.create({ type: 'user_ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 })
    for (const codec of ['u32', null, { encode: () => {} }]) {
      const error = thrownBy(() => new UserRingBuffer(map, { codec: codec as unknown as Codec<never> }))
      expect(error).toBeInstanceOf(TypeError)
      expect((error as Error).message).toBe('codec is not a codec: it has no function encodeBytes')
    }
  })
})
