import { readFileSync } from 'node:fs'
import { Btf, BtfTypes, listIds } from 'libbpf-node'
import { buildBtf, readBtfExt, readObject, types } from 'libbpf-node/asm'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { objectPath, thrownBy } from '../helpers/objects.js'

const point = types.struct('point', { x: types.u32, y: types.u32 })
const line = types.struct('line', { from: point, to: point })
const circle = types.struct('circle', { middle: point, radius: types.u64 })
const names = (list: BtfTypes) => [...list].map(({ kind, name }) => `${kind} ${name}`)

describe('split BTF', () => {
  it('is written for a base, and read with it', () => {
    const base = new BtfTypes(buildBtf({ types: [point] }))
    const split = buildBtf({ types: [circle] }, { base })
    const all = new BtfTypes(split, base)
    expect(all.get('circle', 'struct').id).toBeGreaterThanOrEqual(base.typeCount)
    expect(all.codec('circle').size).toBe(16)
    expect(all.get('point', 'struct').id).toBeLessThan(base.typeCount)
    using baseBtf = Btf.fromBytes(buildBtf({ types: [point] }))
    using btf = Btf.fromBytes(split, { base: baseBtf })
    expect(btf.toC(['circle'])).toContain('struct point middle;')
    expect(() => new BtfTypes(split)).toThrow()
  })

  it('stands alone as toBytes', () => {
    using base = Btf.fromBytes(buildBtf({ types: [point] }))
    using btf = Btf.fromBytes(buildBtf({ types: [circle] }, { base: base.types }), { base })
    const alone = new BtfTypes(btf.toBytes())
    expect(names(alone)).toEqual(names(btf.types))
    expect(alone.codec('circle').size).toBe(16)
  })
})

describe('Btf.toBytes', () => {
  it('writes either byte order', () => {
    const bytes = buildBtf({ types: [line] })
    using btf = Btf.fromBytes(bytes)
    const { littleEndian } = btf.types
    const swapped = new BtfTypes(btf.toBytes({ littleEndian: !littleEndian }))
    expect(swapped.littleEndian).toBe(!littleEndian)
    expect(names(swapped)).toEqual(names(btf.types))
    expect(Buffer.compare(btf.toBytes(), bytes)).toBe(0)
    expect(Buffer.compare(btf.bytes, bytes)).toBe(0)
  })
})

describe('Btf.merge', () => {
  it('has types that are the same once', () => {
    using first = Btf.fromBytes(buildBtf({ types: [line] }))
    using second = Btf.fromBytes(buildBtf({ types: [circle, line] }))
    using merged = Btf.merge([first, second])
    const found = names(merged.types)
    expect(found.filter((one) => one === 'struct point')).toHaveLength(1)
    expect(found.filter((one) => one === 'struct line')).toHaveLength(1)
    expect(found).toContain('struct circle')
    expect(merged.types.codec('circle').size).toBe(16)
    using none = Btf.merge([])
    expect(none.types.typeCount).toBe(1)
  })

  it('takes split BTF with its base', () => {
    using base = Btf.fromBytes(buildBtf({ types: [point] }))
    using split = Btf.fromBytes(buildBtf({ types: [circle] }, { base: base.types }), { base })
    using other = Btf.fromBytes(buildBtf({ types: [line] }, { base: base.types }), { base })
    using merged = Btf.merge([base, split, other])
    expect(names(merged.types).filter((one) => one === 'struct point')).toHaveLength(1)
    expect(merged.types.find('circle')).toBeDefined()
    expect(merged.types.find('line')).toBeDefined()
  })
})

describe('Btf.load', () => {
  requiresKernel('5.10', 'puts BTF into the kernel until it is closed', () => {
    const bytes = buildBtf({ types: [line] })
    using btf = Btf.fromBytes(bytes)
    expect(btf.fd).toBeUndefined()
    const id = btf.load()
    expect(btf.fd).toBeGreaterThan(0)
    expect([...listIds('btf')]).toContain(id)
    expect(Btf.info(id)).toMatchObject({ id, isKernel: false, size: bytes.length })
    using again = Btf.fromId(id)
    expect(names(again.types)).toEqual(names(btf.types))
    expect(thrownBy(() => btf.load())).toMatchObject({ code: 'EEXIST' })
    again.close()
    btf.close()
    expect([...listIds('btf')]).not.toContain(id)
  })

  requiresKernel('5.10', 'says that the kernel does not accept it', () => {
    // A name that C does not have.
    using btf = Btf.fromBytes(buildBtf({ types: [types.struct('no name', { x: types.u32 })] }))
    expect(thrownBy(() => btf.load())).toMatchObject({ code: 'EINVAL' })
    expect(btf.fd).toBeUndefined()
  })
})

describe('readBtfExt', () => {
  it('reads functions, lines and CO-RE relocations', () => {
    const { elf, btf } = readObject(readFileSync(objectPath('core')))
    const bytes = elf.sections.find(({ name }) => name === '.BTF.ext')!.bytes!
    const section = readBtfExt(bytes, btf!).find(({ name }) => name === 'tc')!
    const [func] = section.functions
    expect(btf!.type(func!.typeId)).toMatchObject({ kind: 'func', name: 'ask' })
    expect(section.lines[0]).toMatchObject({
      offset: 0,
      line: { file: expect.stringContaining('core.bpf.c'), text: expect.any(String) },
    })
    const roots = section.core.map(({ core }) => btf!.resolve(core.type as number).name)
    expect(roots).toEqual(['task_struct', 'task_struct', 'task_struct___invented', 'bpf_map_type'])
    expect(() => readBtfExt(bytes.slice(4), btf!)).toThrow(RangeError)
  })
})
