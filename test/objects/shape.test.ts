// BpfObject.open<Shape>(): `npm run check` checks the types, and these tests the behavior.
import { BpfMap, BpfObject, type Program } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { objectPath } from '../helpers/objects.js'

interface Skeleton {
  programs: 'on_exec' | 'touch'
  maps: {
    counters: BpfMap<Record<string, number>, { count: bigint; inner: { deep: number } }>
    size: BpfMap<number, bigint[]>
  }
  records: { events: { pid: number; comm: string } }
  rodata: { min_ns: bigint; wanted: number }
  sections: { '.data.limits': { limits: number[] } }
}

const path = objectPath('skeleton')

describe('an object with a shape', () => {
  it('has programs and maps as properties of its Maps', () => {
    using object = BpfObject.open<Skeleton>(path)
    const program: Program = object.programs.on_exec
    expect(program).toBe(object.program('on_exec'))
    expect(object.programs).toBeInstanceOf(Map)
    expect(object.maps.counters).toBeInstanceOf(BpfMap)
    expect(object.maps.counters).toBe(object.map('counters'))
    expect(Object.keys(object.maps)).toEqual([])
  })

  it('has maps named like a member of Map only through map() and get()', () => {
    using object = BpfObject.open<Skeleton>(path)
    const count: number = object.maps.size
    expect(count).toBe([...object.maps.keys()].length)
    const sizes: BpfMap<number, bigint[]> = object.map('size')
    expect(object.maps.get('size')).toBe(sizes)
  })

  it('has typed variables in the sections that the shape describes', () => {
    using object = BpfObject.open<Skeleton>(path)
    object.rodata.min_ns += 1n
    const limits: number[] = object.globals('.data.limits').limits
    expect(limits).toEqual([1, 2, 3, 4])
    const other: unknown = object.data.delete
    expect([object.rodata.min_ns, other]).toEqual([6n, 3])
  })

  it('has the newest open link of each program', () => {
    using object = BpfObject.open<Skeleton>(path)
    object.loadSync()
    expect(object.links.on_exec).toBeUndefined()
    object.attach()
    const [link] = object.links
    expect(object.links.on_exec).toBe(link)
    const second = object.programs.on_exec.attach()
    expect(object.links.on_exec).toBe(second)
    second.close()
    expect(object.links.on_exec).toBe(link)
    link?.close()
    expect(object.links.on_exec).toBeUndefined()
  })

  it('lets the type checker refuse unknown names', () => {
    using object = BpfObject.open<Skeleton>(path)
    const wrong = [
      // @ts-expect-error
      () => object.program('on_exe'),
      // @ts-expect-error
      () => object.map('counter'),
      // @ts-expect-error
      () => object.maps.counter.size,
      // @ts-expect-error
      () => object.programs.on_exe.name,
      () => {
        // @ts-expect-error
        object.rodata.min_ns = '1'
      },
    ]
    for (const attempt of wrong) expect(attempt).toThrow()
  })

  it('can be passed where any BpfObject is accepted', async () => {
    const nameOf = (object: BpfObject): string => object.name
    using object = BpfObject.open<Skeleton>(path)
    expect(nameOf(object)).toBe('skeleton')
    object.loadSync()
    const ring = object.ringBuffer('events', 'event')
    ring.on((event) => {
      const { pid, comm }: { pid: number; comm: string } = event
      throw new Error(`nothing is attached: ${pid} ${comm}`)
    })
    ring.close()
  })
})
