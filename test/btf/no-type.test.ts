// What clang writes type 0 for, because BTF cannot express it: _Atomic and _Complex.
import { inspect } from 'node:util'
import { BpfObject, Btf } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { load, objectPath } from '../helpers/objects.js'
import { BtfWriter } from './helper.js'

const reason = "BTF does not describe the type of its member 'hits'"

describe('an object with a member whose type BTF cannot express', () => {
  it('opens, loads, and uses every other type', () => {
    using object = load('no-type')
    expect(object.loaded).toBe(true)
    const readable = object.map<number, { value: number }>('readable')
    readable.set(1, { value: 5 })
    expect(readable.get(1)).toEqual({ value: 5 })
    expect(object.data.certain).toBe(4)
    expect(object.codec('plain').size).toBe(4)
  })

  it('has no codec for that type, nor for one that contains it, and the error names the member', () => {
    using object = BpfObject.open(objectPath('no-type'))
    expect(() => object.codec('counters')).toThrow(
      `struct counters cannot be read or written as a value, because ${reason}`,
    )
    expect(() => object.codec('nested')).toThrow(
      `struct counters cannot be read or written as a value, because ${reason}`,
    )
    expect(() => object.codec('renamed')).toThrow(
      "struct renamed cannot be read or written as a value, because BTF does not describe the type of its member 'count'",
    )
    expect(() => object.codec('atomic_int_t')).toThrow("BTF does not describe the type of 'atomic_int_t'")
  })

  it('refuses typed access to maps and variables of that type, but not raw access', () => {
    using object = load('no-type')
    const counted = object.map<number>('counted')
    expect(() => counted.get(1)).toThrow(reason)
    const { raw } = counted
    raw.set(Uint8Array.of(1, 0, 0, 0), new Uint8Array(16).fill(7))
    expect(raw.get(Uint8Array.of(1, 0, 0, 0))).toEqual(new Uint8Array(16).fill(7))
    expect(() => object.data.uncertain).toThrow("BTF does not describe the type of 'uncertain'")
    expect(() => object.bss.record).toThrow(reason)
  })

  it('prints the variables that it can read', () => {
    using object = BpfObject.open(objectPath('no-type'))
    expect(inspect(object.data)).toMatch(/certain: 4/)
    expect(inspect(object.data)).toContain("BTF does not describe the type of 'uncertain'")
  })
})

describe('Btf with a member whose type BTF cannot express', () => {
  it('is written as C that compilers accept, with the bytes of that member as an array', () => {
    using btf = Btf.fromFile(objectPath('no-type'))
    const c = btf.toC(['nested'])
    expect(c).toContain('char hits[4];')
    expect(c).toContain('struct counters counters;')
    expect(btf.toC()).toContain('struct plain {')
  })

  it('takes the size of the member from what follows it, in structs and unions', () => {
    const writer = new BtfWriter()
    const int = writer.int('int', 4, 1)
    writer.record('struct', 's', 24, [
      ['first', int, 0],
      ['gap', 0, 64],
      ['last', 0, 128],
    ])
    writer.record('union', 'u', 16, [
      ['number', int, 0],
      ['whole', 0, 0],
    ])
    using btf = Btf.fromBytes(writer.bytes())
    const c = btf.toC(['s', 'u'])
    expect(c).toMatch(/char gap\[8\];\n\tchar last\[8\];/)
    expect(c).toContain('char whole[16];')
    expect(() => btf.dumpData('s', new Uint8Array(24))).toThrow("member 'gap'")
  })
})
