import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { type Codec, type CodecOptions, compile } from '../../lib/btf/codec.js'
import type { BtfTypes } from '../../lib/btf/parse.js'
import { BtfWriter, compileBpf } from './helper.js'

type Plain = Record<string, unknown>

const little = compileBpf('nasty.c', 'bpfel')
const big = compileBpf('nasty.c', 'bpfeb')

/** The values that nasty.c gives its variables. */
const expected: Record<string, Plain> = {
  scalars: {
    a: 200,
    b: -100,
    c: 60000,
    d: -30000,
    e: 4000000000,
    f: -2000000000,
    g: 0xfedcba9876543210n,
    h: -0x7edcba9876543210n,
    yes: true,
    no: false,
    letter: 120,
    single: 1.5,
    twice: -2.25,
    pointer: 0xffff888012345678n,
    color: -2,
    wide: 0x123456789abn,
    far: -0x123456789abn,
    tiny: 200,
    qualified: 777,
  },
  wider: { tag: 1, minus: -5n, plus: 0x0123456789abcdeffedcba9876543210n },
  bits: {
    a: 5,
    b: -9,
    c: 0xabcdef,
    d: 0xfedcba9876n,
    e: -0x654321,
    f: 1,
    g: true,
    h: 300,
    i: 0xdeadbeef,
    j: -2n,
    k: 1,
    l: -1000000000,
    m: -2,
    n: 0x1fedcba98n,
    o: -77,
  },
  squeezed: {
    a: 1,
    b: 0x1122334455667788n,
    c: 0x99aa,
    d: 17,
    e: 0xabcde,
    f: 0x1234567890abn & ((1n << 45n) - 1n),
    g: -123456789,
    h: 6,
    i: -0x1122334455667788n,
    j: 1,
  },
  text: {
    name: 'systemd',
    small: [-1, 2, -3, 4],
    mac: Uint8Array.of(0xde, 0xad, 0xbe, 0xef, 0, 1),
    raw: [Uint8Array.of(1, 2), Uint8Array.of(3, 4), Uint8Array.of(5, 6)],
    lines: ['ab', 'cdefg'],
    grid: [
      [1, 2, 3],
      [4, 5, 60000],
    ],
    many: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 4000000000],
    flags: [true, false, true],
    full: 'full',
    long_raw: Uint8Array.from({ length: 40 }, (_, i) => (i === 0 ? 7 : i === 39 ? 9 : 0)),
  },
}

describe.each([
  ['generated', true],
  ['composed', false],
])('%s codecs', (_, generate) => {
  function codec<T = Plain>(btf: BtfTypes, name: string, options: CodecOptions = {}): Codec<T> {
    return compile<T>(btf, btf.get(name, 'struct').id, { generate, ...options })
  }

  describe.each([
    ['little', little],
    ['big', big],
  ])('data that clang laid out, %s-endian', (order, object) => {
    test.each(Object.keys(expected))('reads and writes struct %s', (name) => {
      const bytes = object.variable(name)
      const { decodeBytes, encodeBytes, size } = codec(object.btf, name)
      expect(size).toBe(bytes.length)
      expect(decodeBytes(bytes)).toEqual(expected[name])
      expect(encodeBytes(expected[name]!)).toEqual(bytes)
    })

    test('reads every member of every union in struct nested', () => {
      const bytes = object.variable('nested')
      const { decodeBytes, encodeBytes } = codec(object.btf, 'nested')
      const decoded = decodeBytes(bytes)
      const le = order === 'little'
      expect(decoded).toEqual({
        kind: 3,
        addr: [
          {
            port: 80,
            v4: 0x7f000001,
            v6: Uint8Array.from({ length: 16 }, (_, i) => [1, 0, 0, 0x7f][le ? i : 3 - i] ?? 0),
          },
          {
            port: 443,
            v4: le ? 0x04030201 : 0x01020304,
            v6: Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16),
          },
        ],
        low: 0x1234,
        high: 0x5678,
        both: le ? 0x56781234 : 0x12345678,
        first: le ? 0x34 : 0x12,
        pad: le ? Uint8Array.of(0x12, 0x78) : Uint8Array.of(0x34, 0x56),
        last: le ? 0x56 : 0x78,
        last_signed: le ? 0x56 : 0x78,
        when: 99n,
        deep: 7,
        deeper: 9,
        number: { f: 1.5, i: 0x3fc00000 },
        nothing: {},
      })
      expect(encodeBytes(decoded)).toEqual(bytes)
    })
  })

  describe('codec values', () => {
    const btf = little.btf

    test('reads and writes in place, at an offset into a larger view', () => {
      const { decode, encode, size } = codec(btf, 'scalars')
      const buffer = new Uint8Array(size + 20).fill(0xee)
      const view = new DataView(buffer.buffer, 3)
      encode(expected.scalars!, view, 7)
      expect(decode(view, 7)).toEqual(expected.scalars)
      expect(buffer.subarray(10, 10 + size)).toEqual(little.variable('scalars'))
      expect([...buffer.subarray(0, 10), ...buffer.subarray(10 + size)]).toEqual(Array(20).fill(0xee))
    })

    test('writes zeros to padding', () => {
      const { decodeBytes, encode, size } = codec(btf, 'aligned')
      const bytes = new Uint8Array(size).fill(0xff)
      encode(decodeBytes(new Uint8Array(size)), new DataView(bytes.buffer), 0)
      expect(bytes).toEqual(new Uint8Array(size))
    })

    test('returns copies of byte arrays', () => {
      const bytes = little.variable('text')
      const decoded = codec<{ mac: Uint8Array; long_raw: Uint8Array }>(btf, 'text').decodeBytes(bytes)
      bytes.fill(0)
      expect(decoded.mac[0]).toBe(0xde)
      expect(decoded.long_raw[0]).toBe(7)
    })

    test('accepts a number instead of a bigint', () => {
      const { encodeBytes, decodeBytes } = codec(btf, 'scalars')
      expect(decodeBytes(encodeBytes({ ...expected.scalars, g: 5, h: -6, pointer: 7 }))).toMatchObject({
        g: 5n,
        h: -6n,
        pointer: 7n,
      })
    })

    test('accepts a typed array instead of an array of numbers', () => {
      const { encodeBytes, decodeBytes } = codec(btf, 'text')
      const many = Uint32Array.from({ length: 12 }, (_, i) => i * 1000)
      expect(decodeBytes(encodeBytes({ ...expected.text, many })).many).toEqual([...many])
    })

    test('keeps NaN, infinities and minus zero in floats', () => {
      const { encodeBytes, decodeBytes } = codec(btf, 'scalars')
      for (const x of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0]) {
        const decoded = decodeBytes(encodeBytes({ ...expected.scalars, single: x, twice: x }))
        expect(decoded.single).toBe(x)
        expect(decoded.twice).toBe(x)
      }
    })

    test('reads and writes types that are not structs', () => {
      const int = btf.get('unsigned short', 'int').id
      expect(compile(btf, int, { generate }).encodeBytes(0x1234)).toEqual(Uint8Array.of(0x34, 0x12))
      expect(
        compile(btf, btf.get('u64', 'typedef').id, { generate }).decodeBytes(new Uint8Array(8).fill(255)),
      ).toBe(2n ** 64n - 1n)
      expect(
        compile(btf, btf.get('color', 'enum').id, { generate }).decodeBytes(
          Uint8Array.of(254, 255, 255, 255),
        ),
      ).toBe(-2)
      expect(
        compile(btf, btf.get('text', 'var').id, { generate }).decodeBytes(little.variable('text')),
      ).toEqual(expected.text)
      expect(() => compile(btf, int, { generate }).encodeBytes(70000)).toThrow(
        'value: 70000 does not fit u16',
      )
    })
  })

  describe('codec text', () => {
    const writer = new BtfWriter()
    const char = writer.int('char', 1, 1)
    const name = writer.array(char, 12)
    const long = writer.array(char, 100)
    const lone = compile<string>(writer.btf, name, { generate })
    const longer = compile<string>(writer.btf, long, { generate })

    test.each(['', 'a', 'eth0', 'exactly12 by', 'größe', '日本語', '🙂🙂🙂', 'a\u07ff\uffff\u{10ffff}'])(
      '%j',
      (text) => {
        const bytes = new Uint8Array(12)
        bytes.set(Buffer.from(text))
        expect(lone.encodeBytes(text)).toEqual(bytes)
        expect(lone.decodeBytes(bytes)).toBe(text)
      },
    )

    test('ends text at a NUL', () => {
      expect(lone.decodeBytes(Buffer.from('abc\0garbage!!'))).toBe('abc')
      expect(lone.decodeBytes(Buffer.from(`ü\0${'\xff'.repeat(10)}`, 'latin1'))).toBe('\udcfc')
    })

    test('reads and writes long text', () => {
      const text = 'x'.repeat(99)
      expect(longer.decodeBytes(longer.encodeBytes(text))).toBe(text)
      expect(longer.decodeBytes(longer.encodeBytes(`${text.slice(2)}é`))).toBe(`${text.slice(2)}é`)
    })

    test('keeps names apart that collide in the cache of recent names', () => {
      for (let i = 0; i < 5000; i++) {
        const text = (i * 7919).toString(36)
        if (lone.decodeBytes(lone.encodeBytes(text)) !== text) expect.unreachable(text)
      }
      expect(lone.decodeBytes(lone.encodeBytes('last'))).toBe('last')
    })

    test('keeps any bytes, and decodes valid UTF-8', () => {
      let state = 1
      for (let i = 0; i < 3000; i++) {
        const bytes = Uint8Array.from({ length: 12 }, () => {
          state = (Math.imul(state, 1103515245) + 12345) >>> 0
          return (state >>> 16) & 0xff || 1
        })
        const text = lone.decodeBytes(bytes)
        expect(lone.encodeBytes(text)).toEqual(bytes)
        if (!/[\udc80-\udcff]/.test(text)) expect(text).toBe(Buffer.from(bytes).toString())
      }
      const broken = ['c0af', 'e08080', 'eda080', 'f4908080', 'f8888080', 'c3', 'e282', 'f09f99', '80', 'ff'] // overlong, surrogate, too large, cut short
      for (const hex of broken) {
        const bytes = new Uint8Array(12)
        bytes.set(Buffer.from(hex, 'hex'))
        expect(
          [...lone.decodeBytes(bytes)].every((c) => c >= '\udc80' && c <= '\udcff'),
          hex,
        ).toBe(true)
        expect(lone.encodeBytes(lone.decodeBytes(bytes))).toEqual(bytes)
      }
    })

    test('refuses text that does not fit', () => {
      expect(() => lone.encodeBytes('thirteen char')).toThrow(
        'value: a string of 13 bytes does not fit char[12]',
      )
      expect(() => lone.encodeBytes('日本語日本')).toThrow(
        'value: a string of 15 bytes does not fit char[12]',
      )
      expect(() => lone.encodeBytes('a\0b')).toThrow('a NUL would end the string early')
      expect(() => lone.encodeBytes('é\0b')).toThrow('a NUL would end the string early')
      expect(lone.encodeBytes(Buffer.from('a\0b') as unknown as string).subarray(0, 4)).toEqual(
        Uint8Array.of(97, 0, 98, 0),
      )
      expect(() => lone.encodeBytes(new Uint8Array(13) as unknown as string)).toThrow(
        '13 bytes do not fit char[12]',
      )
    })
  })

  describe('codec unions', () => {
    const btf = little.btf
    const { encodeBytes, decodeBytes } = codec(btf, 'nested')
    const addr = { port: 1, v4: 2 }
    const rest = { kind: 1, addr: [addr, addr], when: 0n, deep: 0, deeper: 0, number: { i: 0 }, nothing: {} }

    test('needs only one member of a union', () => {
      expect(decodeBytes(encodeBytes({ ...rest, both: 0x01020304 }))).toMatchObject({
        low: 0x0304,
        high: 0x0102,
        first: 4,
        last: 1,
      })
      expect(decodeBytes(encodeBytes({ ...rest, low: 1, high: 2 }))).toMatchObject({ both: 0x20001 })
      expect(decodeBytes(encodeBytes({ ...rest, both: 1, number: { f: 1 } }))).toMatchObject({
        number: { i: 0x3f800000 },
      })
    })

    test('ignores members that are undefined', () => {
      expect(decodeBytes(encodeBytes({ ...rest, both: 9, low: undefined, high: undefined }))).toMatchObject({
        both: 9,
      })
    })

    test('accepts several members that agree', () => {
      expect(decodeBytes(encodeBytes({ ...rest, both: 0x20001, low: 1, high: 2 }))).toMatchObject({
        both: 0x20001,
      })
    })

    test('refuses several members that do not agree', () => {
      expect(() => encodeBytes({ ...rest, both: 5, low: 1, high: 2 })).toThrow(
        new TypeError('nested: low, high and both share a union but do not agree: give only one of them'),
      )
      expect(() => encodeBytes({ ...rest, both: 5, number: { f: 1, i: 1 } })).toThrow(
        new TypeError('nested.number: f and i share a union but do not agree: give only one of them'),
      )
    })

    test('refuses a union without members', () => {
      expect(() => encodeBytes({ ...rest, both: 1, number: {} })).toThrow(
        new TypeError('nested.number: one of f and i is required, because they share a union'),
      )
      expect(() => encodeBytes(rest)).toThrow(
        /^nested: one of low, high, both, first, pad and 2 more is required/,
      )
    })

    test('refuses half of an anonymous struct', () => {
      expect(() => encodeBytes({ ...rest, low: 1 })).toThrow(new TypeError('nested.high: missing'))
    })

    test('keeps every bit of text, booleans and floats that share a union with bytes', () => {
      const writer = new BtfWriter()
      const u8 = writer.int('unsigned char', 1)
      const text = writer.array(writer.int('char', 1, 1), 8)
      const bool = writer.int('_Bool', 1, 4)
      const double = writer.add('float', 'double', 8)
      const bytes = writer.array(u8, 8)
      const members: [string, number, number][] = [
        ['bytes', bytes, 0],
        ['text', text, 0],
        ['truth', bool, 0],
        ['double', double, 0],
      ]
      for (const order of [members, members.toReversed()]) {
        const id = writer.record('union', '', 8, order)
        const union = compile<Plain>(writer.btf, id, { generate })
        for (const hex of [
          '4142004344454647',
          'f0f1f2f3f4f5f6f7',
          '010000000000f87f',
          '0203040506fffff7',
          '0000000000000000',
        ]) {
          const raw = new Uint8Array(Buffer.from(hex, 'hex'))
          expect(union.encodeBytes(union.decodeBytes(raw)), hex).toEqual(raw)
        }
      }
    })
  })

  describe('codec flexible arrays', () => {
    const btf = little.btf

    test('can share a union with something longer, as in struct sockaddr', () => {
      const writer = new BtfWriter()
      const family = writer.int('unsigned short', 2)
      const text = writer.array(writer.int('char', 1, 1), 0)
      const raw = writer.array(writer.int('unsigned char', 1), 8)
      const sockaddr = writer.record('struct', 'sockaddr', 2, [
        ['family', family, 0],
        ['data', text, 16],
      ])
      const id = writer.record('union', 'any', 8, [
        ['sa', sockaddr, 0],
        ['raw', raw, 0],
      ])
      const { decode, decodeBytes, encodeBytes } = compile<Plain>(writer.btf, id, { generate })
      const bytes = Uint8Array.of(2, 0, 97, 98, 99, 0, 0, 1)
      expect(decode(new DataView(bytes.buffer))).toEqual({ sa: { family: 2, data: '' }, raw: bytes })
      expect(decodeBytes(bytes)).toEqual({ sa: { family: 2, data: 'abc' }, raw: bytes })
      expect(encodeBytes(decode(new DataView(bytes.buffer)))).toEqual(bytes)
      expect(encodeBytes(decodeBytes(bytes))).toEqual(bytes)
      expect(encodeBytes({ sa: { family: 2, data: 'abc' } })).toEqual(
        Uint8Array.of(2, 0, 97, 98, 99, 0, 0, 0),
      )
      expect(() => encodeBytes({ sa: { family: 2, data: 'xbc' }, raw: new Uint8Array(8) })).toThrow(
        'do not agree',
      )
      expect(() => encodeBytes({ sa: { family: 3, data: '' }, raw: bytes })).toThrow('do not agree')
    })
    const items = [
      { id: 1, tag: 2 },
      { id: 3, tag: 4 },
    ]

    test('extend to the end of the record', () => {
      const { decode, decodeBytes, size, flexible } = codec(btf, 'flexible')
      expect(flexible).toBe(true)
      expect(size).toBe(8)
      const bytes = Uint8Array.of(2, 0, 0, 0, 7, 0, 1, 0, 2, 0, 3, 0, 4, 0, 9, 9, 9)
      expect(decodeBytes(bytes.subarray(0, 14))).toEqual({ count: 2, kind: 7, items })
      const view = new DataView(bytes.buffer)
      expect(decode(view, 0, 10)).toEqual({ count: 2, kind: 7, items: items.slice(0, 1) })
      expect(decode(view, 0)).toEqual({ count: 2, kind: 7, items: [] })
    })

    test('are as long as the given array', () => {
      const { encodeBytes, byteLength, encode } = codec(btf, 'flexible')
      expect(byteLength({ items })).toBe(14)
      expect(encodeBytes({ count: 2, kind: 7, items })).toEqual(
        Uint8Array.of(2, 0, 0, 0, 7, 0, 1, 0, 2, 0, 3, 0, 4, 0),
      )
      expect(encodeBytes({ count: 0, kind: 7 })).toEqual(Uint8Array.of(0, 0, 0, 0, 7, 0, 0, 0))
      const view = new DataView(new ArrayBuffer(13))
      expect(() => encode({ count: 2, kind: 7, items }, view, 0)).toThrow(
        new RangeError('struct flexible needs 14 bytes, but there is only room for 13'),
      )
      expect(() => encodeBytes({ count: 2, kind: 7, items: [items[0], { id: 1, tag: 256 }] })).toThrow(
        new RangeError('flexible.items[1].tag: 256 does not fit u8'),
      )
    })

    test('can be text, and can end a nested struct', () => {
      const text = codec(btf, 'flexible_text')
      expect(text.encodeBytes({ length: 3, line: 'é!' })).toEqual(Uint8Array.of(3, 0, 0xc3, 0xa9, 0x21))
      expect(text.decodeBytes(Uint8Array.of(3, 0, 0xc3, 0xa9, 0x21))).toEqual({ length: 3, line: 'é!' })
      const end = codec(btf, 'flexible_end')
      const value = { head: 1, tail: { count: 2, kind: 3, items } }
      expect(end.flexible).toBe(true)
      expect(end.encodeBytes(value).length).toBe(18)
      expect(end.decodeBytes(end.encodeBytes(value))).toEqual(value)
    })

    test('an array without a length is empty if it is not at the end', () => {
      const writer = new BtfWriter()
      const int = writer.int('int', 4, 1)
      const none = writer.array(int, 0)
      const id = writer.record('struct', 'marked', 4, [
        ['marker', none, 0],
        ['value', int, 0],
      ])
      const marked = compile(writer.btf, id, { generate })
      expect(marked.flexible).toBe(false)
      expect(marked.decodeBytes(new Uint8Array(100))).toEqual({ marker: [], value: 0 })
      expect(() => marked.encodeBytes({ marker: [1], value: 0 })).toThrow(
        'marked.marker: has 1 items, but 0 are required',
      )
    })
  })

  describe('codec option bigint: false', () => {
    const numbers = (btf: BtfTypes, name: string) => codec(btf, name, { bigint: false })

    test.each([little, big])('reads and writes safe integers as numbers', ({ btf }) => {
      const { encodeBytes, decodeBytes } = numbers(btf, 'scalars')
      const value = {
        ...expected.scalars,
        g: Number.MAX_SAFE_INTEGER,
        h: Number.MIN_SAFE_INTEGER,
        wide: 0x123456789ab,
        far: -0x123456789ab,
      }
      expect(decodeBytes(encodeBytes(value))).toEqual(value)
      expect(encodeBytes(value)).toEqual(codec(btf, 'scalars').encodeBytes(value))
      const bits = { ...expected.bits, d: 0xfedcba9876, j: -2, n: 0x1fedcba98 }
      expect(numbers(btf, 'bits').decodeBytes(codec(btf, 'bits').encodeBytes(expected.bits!))).toEqual(bits)
      expect(numbers(btf, 'bits').encodeBytes(bits)).toEqual(codec(btf, 'bits').encodeBytes(expected.bits!))
    })

    test('throws for other integers, and names the member', () => {
      expect(() => numbers(little.btf, 'scalars').decodeBytes(little.variable('scalars'))).toThrow(
        new RangeError(`scalars.g: ${0xfedcba9876543210n} is too large for a number: read it as a bigint`),
      )
      expect(() => numbers(little.btf, 'wider').decodeBytes(little.variable('wider'))).toThrow(
        /^wider\.plus: \d+ is too large/,
      )
      const aligned = codec(little.btf, 'aligned')
      const bytes = aligned.encodeBytes({
        ...aligned.decodeBytes(new Uint8Array(aligned.size)),
        inner: expected.scalars,
      })
      expect(() => numbers(little.btf, 'aligned').decodeBytes(bytes)).toThrow(/^aligned\.inner\.g: /)
      const writer = new BtfWriter()
      const list = writer.array(writer.int('long', 8, 1), 3)
      const longs = compile(writer.btf, list, { generate, bigint: false, name: 'longs' })
      expect(longs.decodeBytes(longs.encodeBytes([1, -2, 3n]))).toEqual([1, -2, 3])
      expect(() => longs.decodeBytes(longs.encodeBytes([0, 0, 2n ** 60n]))).toThrow(
        'longs[2]: 1152921504606846976 is too large',
      )
    })
  })

  describe('codec errors', () => {
    const { btf } = little
    const scalars = codec(btf, 'scalars')
    const text = codec(btf, 'text')

    test.each<[string, unknown, typeof TypeError | typeof RangeError, string]>([
      ['a', 256, RangeError, '256 does not fit u8'],
      ['a', -1, RangeError, '-1 does not fit u8'],
      ['a', 1.5, RangeError, '1.5 is not an integer'],
      ['a', Number.NaN, RangeError, 'NaN is not an integer'],
      ['a', '5', TypeError, '"5" is not a number'],
      ['a', 5n, TypeError, '5n is not a number'],
      ['a', null, TypeError, 'null is not a number'],
      ['a', undefined, TypeError, 'missing'],
      ['a', Symbol('s'), TypeError, 'Symbol(s) is not a number'],
      ['b', 128, RangeError, '128 does not fit s8'],
      ['b', -129, RangeError, '-129 does not fit s8'],
      ['c', 65536, RangeError, '65536 does not fit u16'],
      ['d', 32768, RangeError, '32768 does not fit s16'],
      ['e', 2 ** 32, RangeError, '4294967296 does not fit u32'],
      ['e', -1, RangeError, '-1 does not fit u32'],
      ['f', 2 ** 31, RangeError, '2147483648 does not fit s32'],
      ['g', 2n ** 64n, RangeError, '18446744073709551616 does not fit u64'],
      ['g', -1n, RangeError, '-1 does not fit u64'],
      ['g', -1, RangeError, '-1 does not fit u64'],
      ['g', 2 ** 53, RangeError, '9007199254740992 is too large for a number to be exact, so pass a bigint'],
      ['g', 'x', TypeError, '"x" is not a bigint'],
      ['h', 2n ** 63n, RangeError, '9223372036854775808 does not fit s64'],
      ['yes', 1, TypeError, '1 is not a boolean'],
      ['single', 1e300, RangeError, '1e+300 does not fit a float'],
      ['single', 1n, TypeError, '1n is not a number'],
      ['pointer', {}, TypeError, 'an object is not a bigint'],
      ['tiny', 256, RangeError, '256 does not fit u8'],
      ['wide', 2n ** 64n, RangeError, '18446744073709551616 does not fit u64'],
    ])('scalars.%s: %s', (name, value, kind, message) => {
      const encode = () => scalars.encodeBytes({ ...expected.scalars, [name]: value })
      expect(encode).toThrow(new kind(`scalars.${name}: ${message}`))
      expect(encode).toThrow(kind)
    })

    test.each<[string, unknown, string]>([
      ['mac', new Uint8Array(5), 'text.mac: has 5 bytes, but 6 are required'],
      ['mac', [1, 2, 3, 4, 5, 6], 'text.mac: an array is not a Uint8Array'],
      ['name', 5, 'text.name: 5 is not a string'],
      ['name', 'seventeen letters', 'text.name: a string of 17 bytes does not fit char[16]'],
      ['lines', ['a', 'sixsix'], 'text.lines[1]: a string of 6 bytes does not fit char[5]'],
      ['lines', ['a'], 'text.lines: has 1 items, but 2 are required'],
      [
        'grid',
        [
          [1, 2, 3],
          [1, 2, -1],
        ],
        'text.grid[1][2]: -1 does not fit u16',
      ],
      ['grid', [[1, 2, 3], 5], 'text.grid[1]: 5 is not an array'],
      ['grid', 'ab', 'text.grid: "ab" is not an array'],
      ['flags', [true, 0, true], 'text.flags[1]: 0 is not a boolean'],
      ['many', Array(12), 'text.many[0]: missing'],
    ])('text.%s: %s', (name, value, message) => {
      expect(() => text.encodeBytes({ ...expected.text, [name]: value })).toThrow(message)
    })

    test.each<[string, unknown, string]>([
      ['a', 8, 'bits.a: 8 does not fit 3 bits'],
      ['b', 16, 'bits.b: 16 does not fit 5 signed bits'],
      ['b', -17, 'bits.b: -17 does not fit 5 signed bits'],
      ['d', 1n << 40n, 'bits.d: 1099511627776 does not fit 40 bits'],
      ['f', 2, 'bits.f: 2 does not fit 1 bit'],
      ['g', 1, 'bits.g: 1 is not a boolean'],
      ['i', 2 ** 32, 'bits.i: 4294967296 does not fit 32 bits'],
      ['l', -(2 ** 30) - 1, 'bits.l: -1073741825 does not fit 31 signed bits'],
      ['n', '1', 'bits.n: "1" is not a bigint'],
      ['o', 2 ** 30, 'bits.o: 1073741824 does not fit 31 signed bits'],
    ])('bits.%s: %s', (name, value, message) => {
      expect(() => codec(btf, 'bits').encodeBytes({ ...expected.bits, [name]: value })).toThrow(message)
    })

    test('name an unknown member and suggest a similar name', () => {
      expect(() => scalars.encodeBytes({ ...expected.scalars, qualifed: 1 })).toThrow(
        new TypeError("scalars.qualifed: no such member; did you mean 'qualified'?"),
      )
      const { qualified: _, ...without } = expected.scalars!
      expect(() => scalars.encodeBytes({ ...without, qualifed: 1 })).toThrow(/qualifed: no such member/)
      expect(() => scalars.encodeBytes(without)).toThrow(new TypeError('scalars.qualified: missing'))
    })

    test('name a value that is not an object', () => {
      for (const value of [5, null, 'x', [], undefined]) {
        expect(() => scalars.encodeBytes(value as unknown as Plain)).toThrow(TypeError)
      }
      const addr = [{ port: 1, v4: 1 }, 7]
      expect(() => codec(btf, 'nested').encodeBytes({ kind: 1, addr })).toThrow(
        'nested.addr[1]: 7 is not an object',
      )
    })

    test('use the option name for the value', () => {
      const { encodeBytes } = codec(btf, 'scalars', { name: "map 'config' value" })
      expect(() => encodeBytes({ ...expected.scalars, c: -1 })).toThrow(
        "map 'config' value.c: -1 does not fit u16",
      )
    })

    test('pass on an error that a getter throws', () => {
      const value = {
        ...expected.scalars,
        get a(): number {
          throw new SyntaxError('mine')
        },
      }
      expect(() => scalars.encodeBytes(value)).toThrow(new SyntaxError('mine'))
    })

    test('name the type of a record that is too short', () => {
      const short = new RangeError('struct scalars has 88 bytes, but the record has only 80')
      expect(() => scalars.decodeBytes(new Uint8Array(80))).toThrow(short)
      const view = new DataView(new ArrayBuffer(88))
      expect(() => scalars.decode(view, 8)).toThrow(short)
      expect(() => scalars.decode(view, 0, 80)).toThrow(short)
      expect(() => scalars.decode(view, 0, 89)).toThrow(RangeError)
      expect(() => scalars.decode(view, -1)).toThrow(RangeError)
      expect(() => scalars.decode(view, Number.NaN)).toThrow(RangeError)
      expect(() => scalars.encode(expected.scalars!, view, 1)).toThrow(
        'struct scalars needs 88 bytes, but there is only room for 87',
      )
      expect(scalars.decode(view, 0, 88)).toMatchObject({ a: 0 })
    })

    test('name a type without values', () => {
      const kinds = compileBpf('kinds.c').btf
      const id = (name: string) => kinds.get(name).id
      expect(() => compile(kinds, id('helper'), { generate })).toThrow(
        new TypeError('func helper has no values'),
      )
      expect(() => compile(kinds, id('never_defined'), { generate })).toThrow(
        'fwd never_defined has no values',
      )
      expect(() => compile(kinds, 0, { generate })).toThrow('void has no values')
    })
  })

  describe('codec members with names that have a meaning in JavaScript', () => {
    const names = [
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      'x"];throw 1//',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the name contains it
      '`${1}`',
      "'\\",
      '\u2028',
      'class',
      '0',
    ]
    const writer = new BtfWriter()
    const u8 = writer.int('unsigned char', 1)
    const fields = names.map((name, i): [string, number, number] => [name, u8, i * 8])
    const record = writer.record('struct', '*/;throw 2', names.length, fields)
    const union = writer.record(
      'union',
      'choice',
      1,
      fields.map(([name]) => [name, u8, 0]),
    )
    const outer = writer.record('struct', 'outer', names.length, [['__proto__', record, 0]])

    test('are ordinary members', () => {
      const { decodeBytes, encodeBytes } = compile<Plain>(writer.btf, record, { generate })
      const bytes = Uint8Array.from(names, (_, i) => i + 1)
      const decoded = decodeBytes(bytes)
      expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype)
      expect(Object.keys(decoded).sort()).toEqual([...names].sort())
      expect(Object.getOwnPropertyDescriptor(decoded, '__proto__')?.value).toBe(1)
      expect(encodeBytes(decoded)).toEqual(bytes)
    })

    test('do not set the prototype if the name is __proto__', () => {
      const { decodeBytes } = compile<Plain>(writer.btf, outer, { generate })
      const decoded = decodeBytes(new Uint8Array(names.length))
      expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype)
      expect(Object.hasOwn(decoded, '__proto__')).toBe(true)
    })

    test('are missing if they are only inherited', () => {
      const { encodeBytes } = compile<Plain>(writer.btf, record, { generate })
      expect(() => encodeBytes({})).toThrow('*/;throw 2.__proto__: missing')
      const choice = compile<Plain>(writer.btf, union, { generate })
      expect(() => choice.encodeBytes({})).toThrow(/is required, because they share a union/)
      expect(choice.encodeBytes({ constructor: 5 })).toEqual(Uint8Array.of(5))
    })
  })

  test.each([127, 128, 320, 321])('reads a struct with %i members into a plain object', (count) => {
    const writer = new BtfWriter()
    const int = writer.int('int', 4, 1)
    const names = Array.from({ length: count }, (_, i) => `member${i}`)
    const id = writer.record(
      'struct',
      'large',
      count * 4,
      names.map((name, i) => [name, int, i * 32]),
    )
    const { decodeBytes, encodeBytes } = compile<Plain>(writer.btf, id, { generate })
    const bytes = new Uint8Array(Int32Array.from(names, (_, i) => i - 5).buffer)
    const value = decodeBytes(bytes)
    expect(value).toStrictEqual(Object.fromEntries(names.map((name, i) => [name, i - 5])))
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Object.keys(value)).toEqual(names)
    expect(inspect(value)).toMatch(/^\{\s+member0: -5,/)
    expect(encodeBytes(value)).toEqual(bytes)
  })

  test('reads a large struct whose members have names that every object inherits', () => {
    const writer = new BtfWriter()
    const int = writer.int('int', 4, 1)
    const names = ['__proto__', 'constructor', ...Array.from({ length: 150 }, (_, i) => `member${i}`)]
    const id = writer.record(
      'struct',
      'large',
      names.length * 4,
      names.map((name, i) => [name, int, i * 32]),
    )
    const value = compile<Plain>(writer.btf, id, { generate }).decodeBytes(
      new Uint8Array(Int32Array.from(names, (_, i) => i).buffer),
    )
    expect(Object.keys(value)).toEqual(names)
    expect(Object.values(value)).toEqual(names.map((_, i) => i))
  })

  test('reads and writes a section of variables', () => {
    const writer = new BtfWriter()
    const u32 = writer.int('unsigned int', 4)
    const u64 = writer.int('unsigned long', 8)
    const first = writer.add('var', 'first', u32, [1])
    const second = writer.add('var', 'second', u64, [1])
    const id = writer.add('datasec', '.data', 16, [first, 0, 4, second, 8, 8], 2)
    const { encodeBytes, decodeBytes } = compile(writer.btf, id, { generate })
    const bytes = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0)
    expect(decodeBytes(bytes)).toEqual({ first: 1, second: 2n })
    expect(encodeBytes({ first: 1, second: 2n })).toEqual(bytes)
  })

  test('reads and writes 32-bit pointers, and bitfields of old compilers', () => {
    const writer = new BtfWriter(false)
    const long = writer.int('long', 4, 1)
    const pointer = writer.add('ptr', '', long)
    const nibble = writer.int('int', 4, 1, 4)
    const id = writer.record('struct', 'old', 8, [
      ['pointer', pointer, 0],
      ['high', nibble, 32],
      ['low', nibble, 36],
    ])
    expect(writer.btf.pointerSize).toBe(4)
    const { encodeBytes, decodeBytes } = compile(writer.btf, id, { generate })
    const bytes = Uint8Array.of(0xc0, 0, 0, 1, 0x7f, 0, 0, 0)
    expect(decodeBytes(bytes)).toEqual({ pointer: 0xc0000001n, high: 7, low: -1 })
    expect(encodeBytes({ pointer: 0xc0000001n, high: 7, low: -1 })).toEqual(bytes)
  })
})
