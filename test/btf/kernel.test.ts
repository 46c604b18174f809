import { describe, expect, test } from 'vitest'
import { type Codec, compile } from '../../lib/btf/codec.js'
import { BtfTypes } from '../../lib/btf/parse.js'
import type { BtfStruct } from '../../lib/btf/types.js'
import { randomOf } from '../helpers/random.js'
import { kernelBtfBytes } from './helper.js'

/**
 * Reads and writes random bytes as each struct of the running kernel that fits into a page.
 */
const btf = new BtfTypes(kernelBtfBytes())
const structs = [...btf.ofKind('struct')].filter((struct) => struct.size <= 4096)

/**
 * Marks the bits that must survive decoding and encoding, according to BTF alone. These are all bits except padding,
 * the bytes after the NUL of a text, and the bits of a boolean, which only count together. For little-endian BTF.
 */
function markBits(typeId: number, start: number, bits: number, bytes: Uint8Array, mask: Uint8Array): void {
  const type = btf.resolve(typeId)
  const mark = (from: number, count: number) => {
    for (let bit = from; bit < from + count; bit++) mask[bit >> 3]! |= 1 << (bit & 7)
  }
  switch (type.kind) {
    case 'struct':
    case 'union':
      for (const member of type.members) {
        markBits(member.typeId, start + member.bitOffset, member.bitfieldSize, bytes, mask)
      }
      break
    case 'array': {
      const item = btf.resolve(type.typeId)
      const size = btf.sizeOf(type.typeId) * 8
      for (let i = 0; i < type.length; i++) {
        if (item.kind === 'int' && item.name === 'char' && bytes[start / 8 + i] === 0) break
        markBits(type.typeId, start + i * size, 0, bytes, mask)
      }
      break
    }
    case 'int':
      if (!type.bool || bits > 0) mark(start, bits || type.size * 8)
      break
    case 'float':
      break
    default:
      mark(start, bits || btf.sizeOf(type.id) * 8)
  }
}

/** Returns the bytes in hex, with 0 for the bits that are not in the mask. */
function masked(bytes: Uint8Array, mask: Uint8Array): string {
  return Buffer.from(bytes.map((byte, i) => byte & mask[i]!)).toString('hex')
}

/** Returns a problem for each struct with a wrong result. Each test expects none. */
function wrong(some: BtfStruct[], check: (struct: BtfStruct, codec: Codec) => string | undefined): string[] {
  return some.flatMap((struct) => {
    try {
      const problem = check(struct, compile(btf, struct.id, { generate: false }))
      return problem === undefined ? [] : [`${struct.name} (${struct.id}): ${problem}`]
    } catch (error) {
      return [`${struct.name} (${struct.id}): ${error}`]
    }
  })
}

describe('structs of the running kernel', () => {
  test('include thousands', () => {
    expect(structs.length).toBeGreaterThan(3000)
  })

  test('are the same after decoding random bytes and encoding them again', () => {
    const random = randomOf(1).bytes
    const problems = wrong(structs, ({ id, size }, { decodeBytes, encodeBytes }) => {
      const bytes = random(size)
      const mask = new Uint8Array(size)
      markBits(id, 0, 0, bytes, mask)
      const encoded = encodeBytes(decodeBytes(bytes))
      return masked(encoded, mask) === masked(bytes, mask) ? undefined : 'other bytes'
    })
    expect(problems).toEqual([])
  })

  test('have zeros as padding when they are encoded', () => {
    const problems = wrong(structs, ({ id, size }, { decode, encodeBytes }) => {
      const ones = new Uint8Array(size).fill(0xff)
      const covered = new Uint8Array(size)
      // No NUL ends a text, so all bytes count. A true boolean has only its lowest bit.
      markBits(id, 0, 0, ones, covered)
      // No length is given, because a flexible array would otherwise start in the padding at the end.
      const encoded = encodeBytes(decode(new DataView(ones.buffer), 0))
      const outside = covered.map((byte) => ~byte)
      const left = Buffer.from(masked(encoded, outside), 'hex')
      return left.every((byte) => byte <= 1) ? undefined : 'bits in the padding'
    })
    expect(problems).toEqual([])
  })

  test('are read and written the same by generated and composed codecs', () => {
    const random = randomOf(2).bytes
    const some = structs.filter((_, i) => i % 4 === 0)
    const problems = wrong(some, ({ id, size }, composed) => {
      const generated = compile(btf, id, { generate: true })
      const bytes = random(size)
      const value = generated.decodeBytes(bytes)
      expect(composed.decodeBytes(bytes)).toEqual(value)
      const same = Buffer.compare(generated.encodeBytes(value), composed.encodeBytes(value)) === 0
      return same ? undefined : 'they differ'
    })
    expect(problems).toEqual([])
  })

  test('include task_struct with its hundreds of members', () => {
    const task = btf.get('task_struct', 'struct')
    const codec = compile<Record<string, unknown>>(btf, task.id)
    const bytes = new Uint8Array(task.size)
    const comm = task.members.find((member) => member.name === 'comm')!
    bytes.set(Buffer.from('swapper/0'), comm.bitOffset / 8)
    const decoded = codec.decodeBytes(bytes)
    expect(decoded).toMatchObject({ comm: 'swapper/0', pid: 0, mm: 0n })
    expect(codec.encodeBytes({ ...decoded, pid: 42 })).not.toEqual(bytes)
    expect(codec.decodeBytes(codec.encodeBytes({ ...decoded, pid: 42 }))).toEqual({ ...decoded, pid: 42 })
  })
})
