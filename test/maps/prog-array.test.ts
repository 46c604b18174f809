import { BpfMap, type BpfObject, type Program } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, thrownBy } from '../helpers/objects.js'

/** Runs `jump` with a packet whose first control word is the slot. */
function jump(object: BpfObject, slot: number): number {
  const context = new Uint8Array(192)
  new DataView(context.buffer).setUint32(48, slot, true) // __sk_buff.cb[0]
  return object.program('jump').testRunSync({ data: new Uint8Array(64), context }).retval
}

const jumps = (object: BpfObject) => object.map<number, number, Program | number>('jumps')

describe('a program array', () => {
  it('holds the programs of tail calls, which can be set, replaced and deleted', () => {
    using object = load('tail-calls')
    expect(jump(object, 0)).toBe(1)
    jumps(object).set(0, object.program('one'))
    expect(jump(object, 0)).toBe(101)
    jumps(object).set(0, object.program('two').fd)
    expect(jump(object, 0)).toBe(102)
    expect(jumps(object).delete(0)).toBe(true)
    expect(jump(object, 0)).toBe(1)
  })

  it('starts with the programs of its C declaration', () => {
    using object = load('tail-calls')
    expect(jump(object, 2)).toBe(102)
    expect([...jumps(object)]).toEqual([[2, object.program('two').id]])
  })

  it('returns the ids of its programs', () => {
    using object = load('tail-calls')
    jumps(object).set(1, object.program('one'))
    expect(jumps(object).get(1)).toBe(object.program('one').id)
    expect(jumps(object).get(3)).toBeUndefined()
    expect(jumps(object).has(3)).toBe(false)
  })

  it('accepts programs also if its values are declared as numbers', () => {
    using object = load('tail-calls')
    object.map<number, number, Program>('plain').set(0, object.program('one'))
    expect(object.program('jump_plain').testRunSync({ data: new Uint8Array(64) }).retval).toBe(101)
  })

  it('accepts programs of one type only', () => {
    using object = load('tail-calls')
    expect(thrownBy(() => jumps(object).set(0, object.program('other')))).toMatchObject({
      code: 'EINVAL',
      map: 'jumps',
    })
  })

  it.each([
    ['a name', 'one'],
    ['nothing', undefined],
    ['an object with an fd', { fd: 1 }],
  ])('refuses %s as a value', (_, value) => {
    using object = load('tail-calls')
    expect(thrownBy(() => jumps(object).set(0, value as unknown as Program))).toBeInstanceOf(TypeError)
  })

  it('can be created without an object', () => {
    using object = load('tail-calls')
    using map = BpfMap.create<Uint8Array, number, Program>({
      type: 'prog_array',
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
    })
    map.set(new Uint8Array(4), object.program('one'))
    expect(map.get(new Uint8Array(4))).toBe(object.program('one').id)
    // The map keeps the program loaded until the last user closes the map.
    map.delete(new Uint8Array(4))
  })
})
