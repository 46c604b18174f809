import { describe, expect, test } from 'vitest'
import { compile } from '../../lib/btf/codec.js'
import { BtfTypes } from '../../lib/btf/parse.js'
import { randomOf } from '../helpers/random.js'
import { BtfWriter, compileBpf } from './helper.js'

describe('BtfTypes, for bytes that are not BTF', () => {
  const sound = compileBpf('kinds.c').section('.BTF')

  /** Valid BTF with other 32-bit words in its header. */
  function withHeader(words: Record<number, number>): Uint8Array {
    const bytes = Uint8Array.from(sound)
    const view = new DataView(bytes.buffer)
    for (const [offset, word] of Object.entries(words)) view.setUint32(Number(offset), word, true)
    return bytes
  }

  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), '0 bytes are too few for a header'],
    ['text', Buffer.from('this is not BTF, is it? really'), 'not BTF'],
    ['a whole ELF file', Buffer.from('\x7fELF and so on'), "pass the bytes of its '.BTF' section"],
    ['a cut header', sound.subarray(0, 23), '23 bytes are too few'],
    ['a cut end', sound.subarray(0, sound.length - 1), 'the strings go beyond the end'],
    [
      'version 9',
      Uint8Array.from(sound, (byte, i) => (i === 2 ? 9 : byte)),
      'BTF version 9 is not supported',
    ],
    ['a short header', withHeader({ 4: 20 }), 'a header of 20 bytes is too short'],
    ['a header beyond the end', withHeader({ 4: 0xffffffff }), 'the types go beyond the end'],
    ['types beyond the end', withHeader({ 12: 0xfffffff0 }), 'the types go beyond the end'],
    ['strings beyond the end', withHeader({ 16: 0xfffffff0 }), 'the strings go beyond the end'],
    ['strings without an end', withHeader({ 20: 10 }), 'does not end with a NUL'],
    ['types cut inside', withHeader({ 12: 40 }), 'is cut short'],
    ['strings as types', withHeader({ 8: 1 }), /unknown kind|cut short/ as unknown as string],
  ])('%s', (_, bytes, message) => {
    expect(() => new BtfTypes(bytes)).toThrow(message)
  })

  test('refuses a value that is not a Uint8Array', () => {
    expect(() => new BtfTypes('vmlinux' as unknown as Uint8Array)).toThrow(TypeError)
  })

  test('reads BTF with any changed byte, or throws, in limited time', {
    timeout: 120_000,
  }, () => {
    const random = randomOf(3).bytes
    let errors = 0
    let results = 0
    for (let i = 0; i < 1500; i++) {
      const bytes = Uint8Array.from(sound)
      for (const [at, value] of Array.from(
        { length: 1 + (i % 8) },
        () => [random(2), random(1)[0]!] as const,
      )) {
        const offset = 24 + ((at[0]! * 256 + at[1]!) % (bytes.length - 24))
        bytes[offset] = i % 2 === 0 ? value : bytes[offset]! ^ (1 << (value & 7))
      }
      try {
        const btf = new BtfTypes(bytes)
        for (const type of btf) {
          try {
            btf.alignOf(type.id)
            const codec = compile(btf, type.id, { generate: i % 3 === 0 })
            if (codec.size < 1e5) codec.encodeBytes(codec.decodeBytes(new Uint8Array(codec.size)))
            results++
          } catch (error) {
            if (!(error instanceof Error)) throw error
            expect(error.message).not.toMatch(
              /call stack|undefined|Invalid|is not a function|Cannot read|Unexpected/,
            )
            errors++
          }
        }
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
        expect(String(error)).toMatch(/BTF/)
        errors++
      }
    }
    expect(errors).toBeGreaterThan(1000)
    expect(results).toBeGreaterThan(1000)
  })
})

describe('types that contradict themselves are refused', () => {
  let writer = new BtfWriter()
  const compiled = (id: number) => () => compile(writer.btf, id)
  const fresh = () => {
    writer = new BtfWriter()
    return writer.int('int', 4, 1)
  }

  test('a typedef that refers to itself', () => {
    fresh()
    const id = writer.add('typedef', 'loop', 2)
    expect(() => writer.btf.resolve(id)).toThrow('malformed BTF: type 2 refers to itself')
    expect(() => writer.btf.sizeOf(id)).toThrow('refers to itself')
    expect(() => writer.btf.alignOf(id)).toThrow('refers to itself')
    expect(compiled(id)).toThrow('refers to itself')
  })

  test('an array that contains itself', () => {
    fresh()
    const id = writer.array(2, 2)
    expect(() => writer.btf.sizeOf(id)).toThrow('array 2 refers to itself')
    expect(() => writer.btf.alignOf(id)).toThrow('array 2 refers to itself')
    expect(compiled(id)).toThrow(/contains itself|refers to itself/)
  })

  test('a variable that refers to itself', () => {
    fresh()
    const variable = writer.add('var', 'v', 3, [1])
    const array = writer.array(variable, 2)
    expect(() => writer.btf.sizeOf(variable)).toThrow('var v has no size')
    expect(() => writer.btf.sizeOf(array)).toThrow('var v has no size')
    expect(() => writer.btf.alignOf(array)).toThrow('var v has no alignment')
    expect(compiled(variable)).toThrow('var v has no values')
  })

  test('a struct that contains itself', () => {
    fresh()
    const id = writer.record('struct', 'snake', 8, [
      ['tail', 2, 0],
      ['head', 2, 0],
    ])
    expect(compiled(id)).toThrow('struct snake contains itself')
    expect(() => writer.btf.alignOf(id)).toThrow(/type 2 contains itself/)
  })

  test('a struct that contains itself as an anonymous member or in an array', () => {
    fresh()
    const anonymous = writer.record('struct', 'snake', 8, [
      ['', 2, 0],
      ['', 2, 0],
    ])
    expect(compiled(anonymous)).toThrow('struct snake contains itself')
    const array = writer.array(4, 1)
    const inArray = writer.record('struct', 'worm', 8, [['rings', array, 0]])
    expect(inArray).toBe(4)
    expect(compiled(inArray)).toThrow(/(anonymous array|struct worm) contains itself/)
  })

  test('an id that does not exist', () => {
    fresh()
    const id = writer.record('struct', 's', 8, [['m', 77, 0]])
    expect(compiled(id)).toThrow('no BTF type has id 77')
    expect(() => writer.btf.alignOf(id)).toThrow('no BTF type has id 77')
  })

  test('a name outside of the strings', () => {
    fresh()
    const id = writer.add('int', 'x', 4, [32])
    const bytes = writer.bytes()
    new DataView(bytes.buffer).setUint32(24 + 16, 0xffff, true)
    const btf = new BtfTypes(bytes)
    expect(() => btf.type(id)).toThrow('a name at offset 65535 lies outside of the strings')
    expect(() => btf.find('x')).toThrow('lies outside of the strings')
  })

  test('a member outside of its struct', () => {
    const int = fresh()
    const id = writer.record('struct', 's', 4, [['m', int, 8]])
    expect(compiled(id)).toThrow("member 'm' lies outside of struct s")
    const inner = writer.record('struct', '', 8, [['m', int, 32]])
    const outer = writer.record('struct', 'outer', 4, [['', inner, 0]])
    expect(compiled(outer)).toThrow("member 'm' lies outside of struct outer")
  })

  test('a bitfield outside of its struct, too wide, or without an integer type', () => {
    const int = fresh()
    const bits = (typeId: number, offset: number, width: number) =>
      writer.add('struct', 's', 4, [writer.string('b'), typeId, (width << 24) | offset], 1, true)
    expect(compiled(bits(int, 31, 2))).toThrow('a bitfield lies outside of its struct of 4 bytes')
    expect(compiled(bits(int, 0, 33))).toThrow('int int has a bitfield of 33 bits')
    const pointer = writer.add('ptr', '', 0)
    expect(compiled(bits(pointer, 0, 3))).toThrow(
      "bitfield 'b' of struct s is not an integer but anonymous ptr",
    )
    expect(compiled(bits(pointer, 4, 0))).toThrow("member 'b' of struct s does not start at a whole byte")
  })

  test('two members with the same name', () => {
    const int = fresh()
    const inner = writer.record('struct', '', 4, [['m', int, 0]])
    const id = writer.record('struct', 's', 8, [
      ['m', int, 0],
      ['', inner, 32],
    ])
    expect(compiled(id)).toThrow("struct s has two members named 'm'")
  })

  test('integers of sizes that do not exist', () => {
    fresh()
    expect(compiled(writer.int('odd', 3))).toThrow('int odd has a size of 3 bytes')
    expect(compiled(writer.int('none', 0))).toThrow('int none has a size of 0 bytes')
    expect(compiled(writer.int('wide', 4, 0, 40))).toThrow('int wide has a bitfield of 40 bits')
  })

  test('sections that contain something else than variables', () => {
    const int = fresh()
    expect(compiled(writer.add('datasec', '.x', 4, [int, 0, 4], 1))).toThrow(
      'datasec .x contains int int, which is not a variable',
    )
    const variable = writer.add('var', 'v', int, [1])
    expect(compiled(writer.add('datasec', '.y', 4, [variable, 4, 4], 1))).toThrow(
      "member 'v' lies outside of datasec .y",
    )
  })
})

describe('types that would take too long are refused', () => {
  test('arrays larger than 4 GiB', () => {
    const writer = new BtfWriter()
    let id = writer.int('int', 4)
    for (let i = 0; i < 20; i++) id = writer.array(id, 0xffffffff)
    expect(() => writer.btf.sizeOf(id)).toThrow('is larger than 4 GiB')
    expect(() => compile(writer.btf, id)).toThrow('is larger than 4 GiB')
  })

  test('arrays of too many values, also of values without a size', () => {
    const writer = new BtfWriter()
    const many = writer.array(writer.int('int', 4), 0x3fffffff)
    expect(() => compile(writer.btf, many)).toThrow(
      /^anonymous array has more than 16777216 values: read it as bytes/,
    )
    const nothing = writer.array(writer.record('struct', 'empty', 0, []), 0xffffffff)
    expect(writer.btf.sizeOf(nothing)).toBe(0)
    expect(() => compile(writer.btf, nothing)).toThrow('has more than 16777216 values')
  })

  test('but a flexible array of values without a size is empty', () => {
    const writer = new BtfWriter()
    const none = writer.array(writer.record('struct', 'empty', 0, []), 0)
    expect(compile(writer.btf, none).decodeBytes(new Uint8Array(10))).toEqual([])
  })

  test.each(['named', 'anonymous'])('%s members that double at each level', (how) => {
    const writer = new BtfWriter()
    let id = writer.record('struct', '', 0, [])
    for (let i = 0; i < 60; i++) {
      id = writer.record('struct', `s${i}`, 0, [
        [how === 'named' ? 'a' : '', id, 0],
        [how === 'named' ? 'b' : '', id, 0],
      ])
    }
    expect(writer.btf.alignOf(id)).toBe(1)
    expect(() => compile(writer.btf, id)).toThrow(/has more than \d+ (values|members)/)
  })

  test('structs that are nested a hundred thousand levels deep', () => {
    const writer = new BtfWriter()
    const ids = [writer.record('struct', 's', 0, [])]
    for (let i = 0; i < 100_000; i++) ids.push(writer.record('struct', 's', 0, [['m', ids[i]!, 0]]))
    const btf = writer.btf
    const id = ids.at(-1)!
    expect(() => compile(btf, id)).toThrow('nested deeper than 64')
    expect(() => btf.alignOf(id)).toThrow('deeper than 64')
    expect(compile(btf, ids[60]!).decodeBytes(new Uint8Array(0))).toHaveProperty('m.m.m.m')
  })

  test('structs that are nested too deep on only one path', () => {
    const writer = new BtfWriter()
    const ids = [writer.record('struct', 's', 0, [])]
    for (let i = 0; i < 100; i++) ids.push(writer.record('struct', 's', 0, [['m', ids[i]!, 0]]))
    const first = writer.record('struct', 'first', 0, [
      ['shallow', ids[60]!, 0],
      ['deep', ids[100]!, 0],
    ])
    expect(() => compile(writer.btf, first)).toThrow('nested deeper than 64')
  })
})
