// Tests of the public types: `tsc -p test/tsconfig.json` checks them, and running the file checks that the values
// exist.
import * as bpf from 'libbpf-node'
import { type BpfMap, type BpfObject, type Globals, type Link, RingBuffer } from 'libbpf-node'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { load } from '../helpers/objects.js'

interface Point {
  x: number
  y: number
  label: string
}

describe('the public types', () => {
  it('have the keys and values of a map', () => {
    using object = load('maps')
    const points = object.map<number, Point>('points')
    expectTypeOf(points).toEqualTypeOf<BpfMap<number, Point>>()
    expectTypeOf(points.get(1)).toEqualTypeOf<Point | undefined>()
    expectTypeOf([...points]).toEqualTypeOf<[number, Point][]>()
    expectTypeOf([...points.keys()]).toEqualTypeOf<number[]>()
    expectTypeOf(points.nextKey()).toEqualTypeOf<number | undefined>()
    expectTypeOf(points.raw).toEqualTypeOf<BpfMap<Uint8Array, Uint8Array>>()
    expectTypeOf(points.set).parameter(1).toEqualTypeOf<Point>()
    // @ts-expect-error a key of another type
    expect(() => points.get('1')).toThrow(TypeError)
    // @ts-expect-error a value that lacks members
    expect(() => points.set(1, { x: 1 })).toThrow(TypeError)
  })

  it('are bytes for a map without type arguments', () => {
    using object = load('maps')
    const map = object.map('bytes')
    expectTypeOf(map).toEqualTypeOf<BpfMap<Uint8Array, Uint8Array>>()
    expectTypeOf(map.get(new Uint8Array(3))).toEqualTypeOf<Uint8Array | undefined>()
    expect(map.get(new Uint8Array(3))).toBeUndefined()
  })

  it('distinguish what a map accepts from what it returns', () => {
    using object = load('tail-calls')
    const jumps = object.map<number, number, bpf.Program>('jumps')
    expectTypeOf(jumps.get(1)).toEqualTypeOf<number | undefined>()
    expectTypeOf(jumps.set).parameter(1).toEqualTypeOf<bpf.Program>()
    type Tenants = BpfMap<number, BpfMap<number, bigint>, BpfMap<number, bigint> | number>
    expectTypeOf<ReturnType<Tenants['get']>>().toEqualTypeOf<BpfMap<number, bigint> | undefined>()
    expectTypeOf<ReturnType<Tenants['createInner']>>().toEqualTypeOf<BpfMap<number, bigint>>()
    expectTypeOf<BpfMap['cidr']>().toEqualTypeOf<BpfMap<string, Uint8Array>>()
    expectTypeOf<ReturnType<BpfMap<number, Point>['mmap']>>().toEqualTypeOf<bpf.MappedArray<Point>>()
    const sums = (map: BpfMap<number, bigint[]>) => map.sum(1)
    expectTypeOf(sums).returns.toEqualTypeOf<bigint | undefined>()
    const walk = async (map: BpfMap<number, Point>): Promise<void> => {
      for await (const entry of map) expectTypeOf(entry).toEqualTypeOf<[number, Point]>()
    }
    expect(walk).toBeInstanceOf(Function)
    // @ts-expect-error no per-CPU map
    expect(() => object.map<number, number>('plain').sum(1)).toThrow('not a per-CPU map')
  })

  it('accept any map where keys and values do not matter', () => {
    using object = load('maps')
    const points: BpfMap<number, Point> = object.map<number, Point>('points')
    const any: BpfMap<unknown, unknown> = points as BpfMap<unknown, unknown>
    expect(any).toBe(points)
  })

  it('have the records of a ring', async () => {
    using object = load('ring')
    const take = async (object: BpfObject): Promise<void> => {
      for await (const record of object.ringBuffer<{ number: bigint }>('events', 'record')) {
        expectTypeOf(record).toEqualTypeOf<{ number: bigint }>()
      }
      for await (const record of object.ringBuffer('events')) {
        expectTypeOf(record).toEqualTypeOf<Uint8Array>()
      }
      for await (const record of object.ringBuffer('events', 'record')) {
        expectTypeOf(record).toEqualTypeOf<Record<string, unknown>>()
      }
      const codec = object.codec<{ number: bigint }>('record')
      expectTypeOf(new RingBuffer(object.map('events'), { codec })).toEqualTypeOf<
        RingBuffer<{ number: bigint }>
      >()
    }
    expect(take).toBeInstanceOf(Function)
    using ring = object.ringBuffer('events')
    expectTypeOf(ring).toEqualTypeOf<RingBuffer<Uint8Array>>()
    expectTypeOf(ring.on).parameter(0).toEqualTypeOf<(record: Uint8Array) => void>()
    expect(ring).toBeInstanceOf(RingBuffer)
  })

  it('are unknown for globals', () => {
    using object = load('globals')
    expectTypeOf(object.rodata).toEqualTypeOf<Globals>()
    expectTypeOf(object.rodata.number).toBeUnknown()
    expect(object.rodata.number).toBe(7)
  })

  it('have unions of names instead of strings', () => {
    using object = load('links')
    const program = object.program('tracing')
    expectTypeOf(program.type).not.toEqualTypeOf<string>()
    expectTypeOf<'xdp'>().toExtend<typeof program.type>()
    expectTypeOf<'hash'>().toExtend<bpf.MapType>()
    expectTypeOf<'no_such_type'>().not.toExtend<bpf.MapType>()
    expectTypeOf(program.attach()).toEqualTypeOf<Link>()
    expectTypeOf(program.tryAttach()).toEqualTypeOf<Link | undefined>()
    expect(program.type).toBe('tracing')
  })

  it('contain no any', () => {
    type Returned<T> = { [K in keyof T]: T[K] extends (...args: never[]) => infer R ? R : T[K] }
    type IsAny<T> = 0 extends 1 & T ? true : false
    type AnyKeys<T> = { [K in keyof T]-?: IsAny<T[K]> extends true ? K : never }[keyof T]
    expectTypeOf<AnyKeys<Returned<BpfObject>>>().toBeNever()
    expectTypeOf<AnyKeys<Returned<bpf.Program>>>().toBeNever()
    expectTypeOf<AnyKeys<Returned<BpfMap<number, Point>>>>().toBeNever()
    expectTypeOf<AnyKeys<Returned<RingBuffer<Point>>>>().toBeNever()
    expectTypeOf<AnyKeys<Returned<Link>>>().toBeNever()
    expectTypeOf<AnyKeys<bpf.BpfError>>().toBeNever()
    expect(bpf.BpfError.prototype).toBeInstanceOf(Error)
  })
})

describe('the package', () => {
  it('exports its classes with a second name for `import * as bpf`', () => {
    expect(bpf.Object).toBe(bpf.BpfObject)
    expect(bpf.Map).toBe(bpf.BpfMap)
  })
})
