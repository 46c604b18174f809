import { Btf, BtfTypes } from 'libbpf-node'
import { buildBtf, types } from 'libbpf-node/asm'
import { describe, expect, it } from 'vitest'

const event = types.struct('event', {
  pid: types.u32,
  comm: types.array(types.char, 16),
  state: types.enumeration('state', { IDLE: 0, BUSY: 7 }),
  next: types.pointer(types.forward('struct', 'other')),
})

describe('buildBtf', () => {
  it('writes types that libbpf and this package read alike', () => {
    const bytes = buildBtf({
      types: [event, types.typedef('event_t', event)],
      functions: { handle: types.prototype(types.s32, { event: types.pointer(event) }) },
      variables: { counter: types.u64 },
      tags: [[event, 'exported']],
    })
    using btf = Btf.fromBytes(bytes)
    expect(btf.toC(['event'])).toContain('enum state state;')
    const kinds = [...new BtfTypes(bytes)].map(({ kind, name }) => `${kind} ${name}`)
    for (const one of ['struct event', 'typedef event_t', 'func handle', 'var counter', 'decl_tag exported'])
      expect(kinds).toContain(one)
    expect(kinds.filter((one) => one === 'struct event').length).toBe(1)
  })

  it('describes bytes that a codec decodes', () => {
    const codec = new BtfTypes(buildBtf({ types: [event] })).codec<Record<string, unknown>>('event')
    const value = { pid: 7, comm: 'node', state: 7, next: 0x1234n }
    const bytes = new Uint8Array(codec.size)
    codec.encode(value, new DataView(bytes.buffer), 0)
    expect(codec.decodeBytes(bytes)).toEqual(value)
  })

  it('writes both byte orders', () => {
    for (const littleEndian of [true, false]) {
      const read = new BtfTypes(buildBtf({ types: [event] }, { littleEndian }))
      expect([read.littleEndian, read.find('event', 'struct')?.size]).toEqual([littleEndian, 32])
    }
  })

  it('writes empty BTF', () => {
    expect(new BtfTypes(buildBtf({})).typeCount).toBe(1)
  })
})

describe('Btf.bytes', () => {
  it('is what the BTF was read from', () => {
    const bytes = buildBtf({ types: [event] })
    using btf = Btf.fromBytes(bytes)
    expect(Buffer.from(btf.bytes).equals(bytes)).toBe(true)
  })

  it('of the kernel can be read again', () => {
    using kernel = Btf.fromKernel()
    const { bytes } = kernel
    using again = Btf.fromBytes(bytes)
    expect(again.types.typeCount).toBe(kernel.types.typeCount)
    expect(kernel.bytes === bytes).toBe(false)
  })
})
