import { describe, expect, test } from 'vitest'
import { BtfTypes } from '../../lib/btf/parse.js'
import { kinds } from '../../lib/btf/types.js'
import { BtfWriter, compileBpf, kernelBtfBytes } from './helper.js'

describe.each(['bpfel', 'bpfeb'] as const)('BtfTypes, of BTF that clang wrote for %s', (target) => {
  const btf = compileBpf('kinds.c', target).btf

  test('has the byte order and the size of a pointer', () => {
    expect(btf.littleEndian).toBe(target === 'bpfel')
    expect(btf.pointerSize).toBe(8)
  })

  test('iterates over types of every kind by ascending id, as plain data', () => {
    const types = [...btf]
    expect(types.map((type) => type.id)).toEqual(types.map((_, i) => i + 1))
    expect(btf.typeCount).toBe(types.length + 1)
    expect(new Set(types.map((type) => type.kind))).toEqual(new Set(kinds.filter((kind) => kind !== 'void')))
    expect(structuredClone(types)).toEqual(types)
  })

  test('reads structs', () => {
    const node = btf.get('node', 'struct')
    expect(node.size).toBe(88)
    expect(node.members.map(({ name, bitOffset, bitfieldSize }) => [name, bitOffset, bitfieldSize])).toEqual([
      ['next', 0, 0],
      ['hits', 64, 0],
      ['bits', 96, 3],
      ['half', 128, 0],
      ['name', 160, 0],
      ['a', 256, 0],
      ['b', 320, 0],
      ['tagged', 384, 0],
      ['only', 448, 0],
      ['call', 512, 0],
      ['', 576, 0],
      ['sign', 608, 0],
      ['large', 640, 0],
    ])
  })

  test('reads integers, floats and arrays', () => {
    const id = expect.any(Number)
    const int = { kind: 'int', id, bitOffset: 0, char: false, bool: false }
    expect(btf.get('long')).toEqual({ ...int, name: 'long', size: 8, bits: 64, signed: true })
    expect(btf.get('unsigned int')).toEqual({
      ...int,
      name: 'unsigned int',
      size: 4,
      bits: 32,
      signed: false,
    })
    expect(btf.get('float')).toEqual({ kind: 'float', id, name: 'float', size: 4 })
    const [array] = btf.ofKind('array')
    expect(array).toMatchObject({ length: 8, typeId: btf.get('char').id })
  })

  test('reads enums with the sign of their values', () => {
    expect(btf.get('mood', 'enum')).toMatchObject({
      size: 4,
      signed: false,
      values: [{ value: 0 }, { name: 'EXCITED', value: 7 }],
    })
    expect(btf.get('sign', 'enum')).toMatchObject({ signed: true, values: [{ name: 'BELOW', value: -3 }] })
    expect(btf.get('large', 'enum64')).toMatchObject({
      size: 8,
      values: [{ name: 'LARGE', value: 0x100000000n }],
    })
  })

  test('reads forward declarations of structs and unions', () => {
    expect(btf.get('never_defined')).toMatchObject({ kind: 'fwd', of: 'struct' })
    expect(btf.get('never_either')).toMatchObject({ kind: 'fwd', of: 'union' })
  })

  test('reads functions, including variadic ones', () => {
    const helper = btf.get('helper', 'func')
    expect(helper.linkage).toBe('global')
    expect(btf.type(helper.typeId)).toMatchObject({
      kind: 'func_proto',
      params: [{ name: 'argument' }],
      variadic: false,
    })
    const call = [...btf.ofKind('func_proto')].find((type) => type.variadic)
    expect(call?.params.map((param) => btf.resolve(param.typeId).kind)).toEqual(['int', 'ptr'])
  })

  test('reads variables and their sections', () => {
    expect(btf.get('hidden')).toMatchObject({ kind: 'var', linkage: 'static' })
    expect(btf.get('first')).toMatchObject({ kind: 'var', linkage: 'global' })
    expect(btf.get('elsewhere')).toMatchObject({ kind: 'var', linkage: 'extern' })
    const { variables } = btf.get('.bss', 'datasec')
    expect(variables.map((variable) => btf.type(variable.typeId).name).sort()).toEqual(['first', 'hidden'])
  })

  test('reads tags', () => {
    const tags = [...btf.ofKind('decl_tag')]
    expect(tags.map((tag) => [tag.name, btf.type(tag.typeId).name, tag.componentIndex]).sort()).toEqual([
      ['arg', 'helper', 0],
      ['kept', 'node', -1],
      ['twice', 'node', -1],
      ['var', 'hidden', -1],
    ])
    expect(btf.get('user')).toMatchObject({ kind: 'type_tag', attribute: false })
  })

  test('resolves typedefs, qualifiers and tags', () => {
    const hits = btf.get('node', 'struct').members.find((member) => member.name === 'hits')!
    expect(btf.type(hits.typeId).kind).toBe('const')
    expect(btf.resolve(hits.typeId)).toMatchObject({ kind: 'int', name: 'unsigned int' })
    expect(btf.resolve(btf.get('user').id)).toMatchObject({ kind: 'int', name: 'int' })
  })
})

describe('BtfTypes look-up', () => {
  const writer = new BtfWriter()
  const int = writer.int('size_or_type', 4)
  const record = writer.record('struct', 'size_or_type', 4, [['größe', int, 0]])
  const typedef = writer.add('typedef', 'connection', record)
  const btf = writer.btf

  test('finds the first type with a name, or the one of a kind', () => {
    expect(btf.find('size_or_type')?.id).toBe(int)
    expect(btf.find('size_or_type', 'struct')?.id).toBe(record)
    expect(btf.find('connection')?.id).toBe(typedef)
    expect(btf.find('connection', 'struct')).toBeUndefined()
    expect(btf.find('connect')).toBeUndefined()
    expect(btf.find('connections')).toBeUndefined()
    expect(btf.find('')).toBeUndefined()
  })

  test('suggests similar names if get() finds nothing', () => {
    expect(() => btf.get('conection')).toThrow("no BTF type is named 'conection'; did you mean 'connection'?")
    expect(() => btf.get('conection', 'struct')).toThrow("no BTF struct is named 'conection'")
    expect(() => btf.get('unlike')).toThrow(/'unlike'$/)
  })

  test('finds names that are not ASCII', () => {
    expect(btf.get('size_or_type', 'struct').members[0]?.name).toBe('größe')
  })

  test('throws for ids that do not exist', () => {
    expect(btf.type(0)).toEqual({ kind: 'void', id: 0, name: '' })
    for (const id of [-1, 4, 1.5, Number.NaN]) expect(() => btf.type(id)).toThrow(RangeError)
    expect(() => btf.type(4)).toThrow('no BTF type has id 4: the highest is 3')
  })
})

describe('BtfTypes of split BTF', () => {
  const writer = new BtfWriter()
  const int = writer.int('base_int', 4)
  const base = writer.btf
  const split = new BtfWriter(true, { typeCount: base.typeCount, stringsSize: writer.stringsSize })
  const record = split.record('struct', 'module_struct', 4, [['field', int, 0]])
  const btf = new BtfTypes(split.bytes(), base)

  test('continues with the ids after those of its base', () => {
    expect(record).toBe(2)
    expect(btf.typeCount).toBe(3)
    expect(btf.type(1)).toBe(base.type(1))
    expect(btf.type(2)).toMatchObject({ name: 'module_struct', members: [{ name: 'field', typeId: 1 }] })
    expect([...btf].map((type) => type.name)).toEqual(['base_int', 'module_struct'])
  })

  test('finds types of the base and its own', () => {
    expect(btf.find('base_int')?.id).toBe(1)
    expect(btf.find('module_struct')?.id).toBe(2)
    expect(base.find('module_struct')).toBeUndefined()
    expect(() => btf.get('base_imt')).toThrow("did you mean 'base_int'?")
    expect(btf.sizeOf(2)).toBe(4)
  })

  test('needs its base, with the same byte order', () => {
    expect(() => new BtfTypes(split.bytes())).toThrow('is this split BTF without its base?')
    expect(() => new BtfTypes(new BtfWriter(false).bytes(), base)).toThrow('different byte orders')
  })
})

describe('BtfTypes of the running kernel', () => {
  const bytes = kernelBtfBytes()

  test('needs little memory', () => {
    const before = process.memoryUsage()
    const btf = new BtfTypes(bytes)
    expect(btf.find('task_struct', 'struct')?.size).toBeGreaterThan(1000)
    const after = process.memoryUsage()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8e6)
    expect(after.heapUsed - before.heapUsed).toBeLessThan(20e6)
  })

  test('decodes each type, and each refers to types that exist', () => {
    const btf = new BtfTypes(bytes)
    let count = 0
    let dangling = 0
    for (const type of btf) {
      count++
      if ('typeId' in type && type.typeId >= btf.typeCount) dangling++
      if ('members' in type && type.members.some((member) => member.typeId >= btf.typeCount)) dangling++
    }
    expect(count).toBe(btf.typeCount - 1)
    expect(count).toBeGreaterThan(10_000)
    expect(dangling).toBe(0)
  })

  test('finds the same types by name as a linear search', () => {
    const btf = new BtfTypes(bytes)
    const first = new Map<string, number>()
    for (const type of btf) if (type.name !== '' && !first.has(type.name)) first.set(type.name, type.id)
    const names = [...first.keys()].filter((_, i) => i % 50 === 0)
    expect(names.map((name) => btf.find(name)?.id)).toEqual(names.map((name) => first.get(name)))
  })
})
