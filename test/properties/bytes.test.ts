// Random bytes from the kernel and from object files, and random values from callers, result in an answer or in an
// error that explains what is wrong.
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { disassemble, disassembleWith } from '../../lib/asm/text.js'
import { type Codec, compile } from '../../lib/btf/codec.js'
import type { BtfTypes } from '../../lib/btf/parse.js'
import { stackCodec, stackIdCodec } from '../../lib/maps/stack-codec.js'
import { BtfWriter, compileBpf, Elf } from '../btf/helper.js'
import { type Random, times } from '../helpers/random.js'

/** Messages of the JavaScript engine, which mean that a case was not considered. */
const unforeseen =
  /undefined \(|null \(|is not a function|not iterable|Cannot |Invalid |call stack|out of bounds|Unexpected|The number|Do not know/

function expectOurs(error: unknown): void {
  if (!(error instanceof Error)) throw new Error(`not an Error: ${String(error)}`)
  expect([TypeError, RangeError], String(error)).toContain(error.constructor)
  expect(error.message).not.toMatch(unforeseen)
}

describe('the disassembler', () => {
  it('covers all bytes, whatever they are', () => {
    times(500, ({ below, bytes }) => {
      const code = bytes(below(400))
      const list = disassembleWith(code, { call: ({ src }) => (src === 0 ? 'helper' : undefined) })
      for (const { text } of list) {
        expect(text).toMatch(/^\([0-9a-f]{2}\) \S/)
        expect(text).not.toMatch(/undefined|NaN|\[object/)
      }
      const whole = code.subarray(0, code.length - (code.length % 8))
      expect(Buffer.concat(list.map(({ bytes }) => bytes)).subarray(0, whole.length)).toEqual(
        Buffer.from(whole),
      )
      expect(list.map(({ index }) => index)).toEqual(indexes(list.map(({ bytes }) => bytes.length)))
    })
  })

  it('knows every operation at every position', () => {
    for (let code = 0; code < 256; code++) {
      for (const [registers, offset, immediate] of [
        [0, 0, 0],
        [0xff, -1, -1],
        [0x16, 8, 0x110],
        [0x21, 1, 0xf1],
      ]) {
        const view = new DataView(new ArrayBuffer(16))
        view.setUint8(0, code)
        view.setUint8(1, registers!)
        view.setInt16(2, offset!, true)
        view.setInt32(4, immediate!, true)
        const [one] = disassemble(new Uint8Array(view.buffer))
        expect(one!.text, `operation ${code}`).not.toMatch(/undefined|NaN/)
      }
    }
  })
})

/** The positions of instructions with these lengths. */
function indexes(lengths: number[]): number[] {
  let at = 0
  return lengths.map((length) => {
    const index = at
    at += Math.ceil(length / 8)
    return index
  })
}

describe('BTF', () => {
  const writer = (random: Random): BtfWriter => {
    const btf = new BtfWriter()
    const { below, oneOf, several, text } = random
    const name = () => oneOf(['', 'a', 'b', '__proto__', 'constructor', text(8).replaceAll('\0', '')])
    btf.int('int', 4)
    btf.int('char', 1, 1)
    const id = () => below(20)
    for (let i = 0; i < 16; i++) {
      switch (below(8)) {
        case 0:
          // Not bool: if members overlap, it would be written as 1, whatever its value was.
          btf.int(name(), oneOf([1, 2, 4, 8, 16, 3]), below(4))
          break
        case 1:
          btf.array(id(), below(5))
          break
        case 2:
          btf.add(
            oneOf(['typedef', 'const', 'volatile', 'ptr', 'type_tag', 'func', 'fwd'] as const),
            name(),
            id(),
          )
          break
        case 3: {
          const values = several(4, () => [btf.string(name()), below(2 ** 32)])
          btf.add('enum', name(), oneOf([1, 4, 8]), values.flat(), values.length, below(2) === 0)
          break
        }
        default: {
          const members = several(5, (): [string, number, number] => [name(), id(), below(24) * 8])
          btf.record(oneOf(['struct', 'union'] as const), name(), 4 * below(10), members)
        }
      }
    }
    return btf
  }

  it('of any kind results in codecs that agree, and in values that survive writing and reading', () => {
    let [works, fails] = [0, 0]
    times(300, (random) => {
      const { btf } = writer(random)
      for (const { id } of btf) {
        let codecs: Codec[]
        try {
          codecs = [true, false].map((generate) => compile(btf, id, { generate }))
        } catch (error) {
          // The BTF contradicts itself, for which there is no error class.
          if (!(error instanceof Error)) throw error
          expect(error.message).not.toMatch(unforeseen)
          fails++
          continue
        }
        const bytes = random.bytes(codecs[0]!.size)
        const values = codecs.map((codec) => codec.decodeBytes(bytes))
        expect(values[1]).toEqual(values[0])
        for (const codec of codecs) {
          let again: Uint8Array
          try {
            again = codec.encodeBytes(values[0])
          } catch (error) {
            expectOurs(error)
            expect((error as Error).message).toMatch(/union|overlap|share/)
            continue
          }
          expect(codec.decodeBytes(again)).toEqual(values[0])
          works++
        }
      }
    })
    expect(works).toBeGreaterThan(500)
    expect(fails).toBeGreaterThan(500)
  })

  /** A name that clang could write: UTF-8 without NUL. */
  const named = (text: string): string => `${Buffer.from(text).toString().replaceAll('\0', '')}x`

  it('with any names never runs them as code', () => {
    const evil = [
      "a'];globalThis.owned=1;['",
      '`${globalThis.owned=1}`',
      'a\u2028globalThis.owned=1',
      '*/globalThis.owned=1/*',
      '__proto__',
      'constructor',
      'toString',
      '\\',
      '"',
      "'",
      'if',
      '0',
      'a-b',
    ]
    times(100, ({ oneOf, below, text }) => {
      const btf = new BtfWriter()
      const int = btf.int('int', 4)
      const names = [...new Set([oneOf(evil), oneOf(evil), named(text(6))])]
      const id = btf.record(
        'struct',
        oneOf(evil),
        names.length * 4,
        names.map((name, i) => [name, int, i * 32]),
      )
      const decoded = names.map(() => below(2 ** 32))
      for (const generate of [true, false]) {
        const codec = compile<Record<string, number>>(btf.btf, id, { generate })
        const value = codec.decodeBytes(new Uint8Array(Uint32Array.from(decoded).buffer))
        expect(names.map((name) => value[name])).toEqual(decoded)
        expect(codec.decodeBytes(codec.encodeBytes(value))).toEqual(value)
      }
    })
    expect(globalThis).not.toHaveProperty('owned')
  })
})

/** Values that nobody would pass on purpose. */
function anything(
  { below, oneOf, several, text, bytes }: Random,
  names: readonly string[],
  depth = 0,
): unknown {
  const again = () => anything({ below, oneOf, several, text, bytes } as Random, names, depth + 1)
  switch (below(depth > 3 ? 8 : 11)) {
    case 0:
      return oneOf([0, -0, 1, -1, 0.5, NaN, Infinity, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 63), 1e300])
    case 1:
      return oneOf([0n, -1n, 2n ** 63n, 2n ** 64n, -(2n ** 200n)])
    case 2:
      return text(20)
    case 3:
      return oneOf([undefined, null, true, false])
    case 4:
      return oneOf([Symbol('s'), () => 1, class {}, /x/, new Date(Number.NaN)])
    case 5:
      return bytes(below(20))
    case 6:
      return oneOf([
        new Uint32Array(3),
        new DataView(new ArrayBuffer(8)),
        new ArrayBuffer(4),
        Buffer.from('abc'),
      ])
    case 7:
      return oneOf([Object.create(null), new Proxy({}, {}), Object.freeze([]), new Array(3), { length: 4 }])
    case 8:
      return several(10, again)
    default:
      return Object.fromEntries(several(8, () => [oneOf([...names, text(3)]), again()] as const))
  }
}

describe('codecs', () => {
  const codecs = (): Codec[] => {
    const objects = ['maps', 'globals', 'ring', 'typed'].flatMap((name) => {
      const folder = new URL('../../dist/test/bpf/', import.meta.url)
      const file = readdirSync(folder).find((file) => file === `${name}.bpf.o`)
      return file === undefined ? [] : [new Elf(readFileSync(new URL(file, folder))).btf]
    })
    return [compileBpf('kinds.c').btf, ...objects].flatMap((btf: BtfTypes) =>
      [...btf].flatMap(({ id, kind }) => {
        if (!['struct', 'union', 'array', 'int', 'enum', 'enum64', 'float', 'ptr', 'datasec'].includes(kind))
          return []
        try {
          return [true, false].map((generate) => compile(btf, id, { generate }))
        } catch {
          return []
        }
      }),
    )
  }

  it('refuse what cannot be written, with an explanation', () => {
    const all = codecs()
    expect(all.length).toBeGreaterThan(50)
    const names = [
      'next',
      'hits',
      'bits',
      'half',
      'name',
      'x',
      'mood',
      'sign',
      'large',
      'a',
      'b',
      'call',
      'only',
    ]
    let [works, fails] = [0, 0]
    times(3000, (random) => {
      const codec = random.oneOf(all)
      let bytes: Uint8Array
      try {
        bytes = codec.encodeBytes(anything(random, names))
        works++
      } catch (error) {
        expectOurs(error)
        fails++
        return
      }
      expect(bytes.length).toBeGreaterThanOrEqual(codec.size)
      codec.decodeBytes(bytes)
    })
    expect(works).toBeGreaterThan(50)
    expect(fails).toBeGreaterThan(500)
  })

  it('refuse too few bytes, with an explanation', () => {
    const all = codecs()
    times(1000, ({ oneOf, below, bytes }) => {
      const codec = oneOf(all)
      const record = bytes(below(codec.size + 8))
      try {
        codec.decodeBytes(record)
        expect(record.length).toBeGreaterThanOrEqual(codec.size)
      } catch (error) {
        expectOurs(error)
      }
    })
  })

  it('for stacks stop at the end of the stack', () => {
    times(200, ({ below, bytes }) => {
      const stack = bytes(8 * (1 + below(20)))
      const addresses = stackCodec(stack.length).decode(new DataView(stack.buffer)) as bigint[]
      expect(addresses.length).toBeLessThanOrEqual(stack.length / 8)
      expect(addresses).not.toContain(0n)
      const key = bytes(4)
      const again = new Uint8Array(4)
      stackIdCodec.encode(stackIdCodec.decode(new DataView(key.buffer)), new DataView(again.buffer))
      expect(again).toEqual(key)
    })
  })
})
