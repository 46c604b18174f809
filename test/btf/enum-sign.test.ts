// Before clang 15 and pahole 1.24, BTF did not say whether an enum is signed: -1 looks like 4294967295.
import { readFileSync } from 'node:fs'
import { BpfObject, Btf } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { bpftoolJson, comparesWithBpftool } from '../helpers/bpftool.js'
import { objectPath } from '../helpers/objects.js'
import { BtfWriter, Elf } from './helper.js'

interface Sample {
  state: number
  flags: number
  level: number
  bits: number
}

/** The object file, with the flag for signed enums cleared in its BTF. */
function withoutSigns(): Uint8Array {
  const bytes = new Uint8Array(readFileSync(objectPath('unsigned-enums')))
  const header = new Elf(bytes).header('.BTF')
  const start = Number(new DataView(header.buffer, header.byteOffset).getBigUint64(24, true))
  const view = new DataView(bytes.buffer, start)
  const strings = view.getUint32(4, true) + view.getUint32(16, true)
  const typesEnd = view.getUint32(4, true) + view.getUint32(12, true)
  const text = Buffer.from(bytes.buffer, start + strings, view.getUint32(20, true)).toString('latin1')
  let cleared = 0
  for (const name of ['sample_state', 'sample_level']) {
    const nameOffset = text.indexOf(`\0${name}\0`) + 1
    for (let at = 24; at + 12 <= typesEnd; at += 4) {
      const info = view.getUint32(at + 4, true)
      if (view.getUint32(at, true) !== nameOffset || ((info >>> 24) & 0x1f) !== 6) continue
      expect(info >>> 31).toBe(1)
      view.setUint32(at + 4, info & 0x7fffffff, true)
      cleared++
    }
  }
  expect(cleared).toBe(2)
  return bytes
}

describe('enums of BTF without signs', () => {
  it('reads and writes small negative values, also packed and in bitfields', () => {
    using object = BpfObject.open(withoutSigns())
    for (const generate of [true, false]) {
      const codec = object.codec<Sample>('enum_sample', { generate })
      for (const sample of [
        { state: -1, flags: 2 ** 31, level: -2, bits: -1 },
        { state: -5, flags: 2 ** 31 + 1, level: -128, bits: -4 },
        { state: 2 ** 31 - 1, flags: 1, level: 127, bits: 3 },
      ]) {
        expect(codec.decodeBytes(codec.encodeBytes(sample))).toEqual(sample)
      }
      expect(() => codec.encodeBytes({ state: 2 ** 31, flags: 0, level: 0, bits: 0 })).toThrow(
        'does not fit s32',
      )
      expect(() => codec.encodeBytes({ state: 0, flags: -1, level: 0, bits: 0 })).toThrow('does not fit u32')
    }
    expect(object.types.get('sample_state', 'enum')).toMatchObject({
      signed: true,
      values: [{ value: -1 }, {}, {}],
    })
    expect(object.types.get('sample_flags', 'enum')).toMatchObject({
      signed: false,
      values: [{}, { value: 2 ** 31 }],
    })
  })

  comparesWithBpftool('reads the value that bpftool map dump prints', () => {
    using object = BpfObject.open(withoutSigns())
    object.loadSync()
    const map = object.map<number, Sample>('samples')
    map.set(1, { state: -5, flags: 1, level: -3, bits: -1 })
    const [entry] = bpftoolJson<{ formatted: { value: Sample } }[]>(
      'map',
      'dump',
      'id',
      String(map.info().id),
    )
    expect(entry!.formatted.value).toMatchObject({ state: -5, level: -3 })
    expect(map.get(1)).toMatchObject({ state: -5, level: -3 })
  })

  it('trusts the sign where the compiler records signs', () => {
    const known = new BtfWriter()
    const all = known.add('enum', 'all', 4, [known.string('ALL'), 0xffffffff], 1)
    known.add('enum', 'sign', 4, [known.string('BELOW'), 0xffffffff], 1, true)
    expect(known.btf.type(all)).toMatchObject({ signed: false, values: [{ value: 2 ** 32 - 1 }] })
    const large = new BtfWriter()
    const other = large.add('enum', 'all', 4, [large.string('ALL'), 0xffffffff], 1)
    large.add('enum64', 'wide', 8, [large.string('WIDE'), 0, 1], 1)
    expect(large.btf.type(other)).toMatchObject({ signed: false, values: [{ value: 2 ** 32 - 1 }] })
  })
})

describe('an enum that is declared but not defined', () => {
  const writer = new BtfWriter()
  const declared = writer.add('enum', 'later', 0)
  const record = writer.record('struct', 'user', 16, [
    ['pointer', writer.add('ptr', '', declared), 0],
    ['count', writer.int('int', 4, 1), 64],
  ])
  const embedding = writer.record('struct', 'wrong', 4, [['member', declared, 0]])

  it('does not keep other types from being used', () => {
    using btf = Btf.fromBytes(writer.bytes())
    expect(btf.codec('user').decodeBytes(new Uint8Array(16))).toEqual({ pointer: 0n, count: 0 })
    expect(btf.toC()).toContain('enum later *pointer;')
  })

  it('has no codec, and the error says why', () => {
    using btf = Btf.fromBytes(writer.bytes())
    const why = 'enum later has no values: it is declared but not defined'
    expect(() => btf.codec('later')).toThrow(new TypeError(why))
    expect(() => btf.codec(embedding)).toThrow(new TypeError(why))
    expect(btf.codec(record).size).toBe(16)
  })
})
