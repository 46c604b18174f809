// Random structs, laid out by clang. A C compiler, both kinds of codecs and generated code must agree on what random
// bytes in them mean.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Codec, compile } from '../../lib/btf/codec.js'
import type { BtfTypes } from '../../lib/btf/parse.js'
import { RecordViewer } from '../../lib/btf/record-view.js'
import { gen, tsc, useFolder } from '../codegen/helper.js'
import { randomOf } from '../helpers/random.js'
import { Elf, fieldsOf, runC } from './helper.js'

const count = 40
const random = randomOf(20_25).bytes
const dice = (sides: number): number => {
  const [a = 0, b = 0] = random(2)
  return (a * 256 + b) % sides
}
const oneOf = <T>(items: readonly T[]): T => items[dice(items.length)]!

const prelude = `
typedef unsigned char u8; typedef signed char s8; typedef unsigned short u16; typedef short s16;
typedef unsigned int u32; typedef int s32; typedef unsigned long long u64; typedef long long s64;
enum small { NONE, SOME = 5, LESS = -2 };
enum wide { NARROW = 1, WIDE = 0x123456789abULL };
typedef struct { u8 low; u32 high; } pair_t;
`
const integers = { u8: 8, s8: 8, u16: 16, s16: 16, u32: 32, s32: 32, u64: 64, s64: 64, 'enum small': 32 }
const scalars = [
  ...Object.keys(integers),
  ...['char', '_Bool', 'float', 'double', 'void *', '__int128', 'unsigned __int128', 'enum wide', 'pair_t'],
  ...['const volatile u16', 'int (*const)(void)', 'struct never *'],
]

/** Writes members in C with unique names. */
function members(prefix: string, known: number, depth: number): string {
  let text = ''
  for (let i = 0, n = 1 + dice(7); i < n; i++) {
    const name = `${prefix}${i}`
    const align = dice(9) === 0 ? ` __attribute__((aligned(${2 << dice(5)})))` : ''
    const dimensions = () => Array.from({ length: 1 + dice(3) }, () => `[${1 + dice(3)}]`).join('')
    switch (dice(depth > 2 ? 5 : 7)) {
      case 0:
      case 1: {
        const [type, bits] = oneOf([...Object.entries(integers), ['_Bool', 1]] as [string, number][])
        text += dice(6) === 0 ? `${type} : 0;\n` : `${type} ${name} : ${1 + dice(bits)};\n`
        break
      }
      case 2:
        text += declare(oneOf(scalars), name + dimensions()) + align
        break
      case 3:
        text += known > 0 ? `struct r${dice(known)} ${name}${oneOf(['', '[2]'])}${align};\n` : ''
        break
      case 4:
        text += declare(oneOf(scalars), name) + align
        break
      case 5:
        text += `${oneOf(['struct', 'union'])} {\n${members(`${name}_`, known, depth + 1)}u8 ${name}_end;\n}${align};\n`
        break
      default:
        text += `${oneOf(['struct', 'union'])} {\n${members('m', known, depth + 1)}u8 end;\n} ${name}${dice(2) ? dimensions() : ''}${align};\n`
    }
    if (!text.endsWith(';\n')) text += ';\n'
  }
  return text
}

function declare(type: string, name: string): string {
  return type.includes('(*const)') ? type.replace('(*const)', `(*${name})`) : `${type} ${name}`
}

/** Structs that may contain earlier ones, with limits so that they do not become huge. */
const structs = Array.from({ length: count }, (_, i) => {
  const attribute = oneOf(['', '', '__attribute__((packed)) '])
  const flexible = dice(5) === 0 ? `${oneOf(['u16', 'char', 'u8', 'pair_t', 's64'])} rest[];\n` : ''
  return `struct ${attribute}r${i} {\nu8 first;\n${members('f', flexible === '' ? (i < 12 ? 0 : 12) : 0, 0)}${flexible}};\n`
})
// A struct with a flexible array cannot be a member.
const inner = structs.map((text) => text.replace(/\w+ rest\[\];\n/, ''))
const source = prelude + structs.map((text, i) => (i < 12 ? inner[i]! : text)).join('')
const mentioned = structs.map((_, i) => `struct r${i} *keep${i};\n`).join('')

const folder = useFolder()
const objects = new Map<string, { btf: BtfTypes; generated: Record<string, Codec> }>()

beforeAll(async () => {
  writeFileSync(join(folder, 'random.c'), `${source}${mentioned}`)
  const types = structs.flatMap((_, i) => ['--type', `r${i}`])
  for (const target of ['bpfel', 'bpfeb']) {
    const output = join(folder, `${target}.skel.ts`)
    await gen(join(folder, 'random.c'), '--target', target, ...types, '--external', '-o', output, '--', '-w')
  }
  expect(await tsc(folder)).toBe('')
  for (const target of ['bpfel', 'bpfeb']) {
    const { btf } = new Elf(readFileSync(join(folder, `${target}.bpf.o`)))
    const generated = await import(pathToFileURL(join(folder, `${target}.skel.js`)).href)
    objects.set(target, { btf, generated })
  }
}, 120_000)

const idOf = (btf: BtfTypes, i: number): number => btf.get(`r${i}`, 'struct').id
/** Random bytes for a record. They are longer than the struct if it ends in a flexible array. */
const bytesFor = (codec: Codec): Uint8Array => random(codec.size + (codec.flexible ? 32 : 0))

describe.each(['bpfel', 'bpfeb'])('random structs, %s', (target) => {
  test('are read and written the same by all kinds of codecs', () => {
    const { btf, generated } = objects.get(target)!
    let ambiguous = 0
    for (const [i] of structs.entries()) {
      const made = compile(btf, idOf(btf, i), { generate: true })
      const others = [compile(btf, idOf(btf, i), { generate: false }), generated[`R${i}`]!]
      for (let n = 0; n < 3; n++) {
        const bytes = bytesFor(made)
        const value = made.decodeBytes(bytes)
        const encoded = encode(made, value)
        for (const other of others) {
          same(other.decodeBytes(bytes), value, `r${i}`)
          same(encode(other, value), encoded, `r${i}`)
        }
        if (typeof encoded === 'string') ambiguous++
        else same(made.decodeBytes(encoded), value, `r${i}`)
      }
    }
    expect(ambiguous).toBeLessThan(structs.length)
  })
})

describe.each(['bpfel', 'bpfeb'])('views of random structs, %s', (target) => {
  test('have the same members as decoded records', () => {
    const { btf } = objects.get(target)!
    for (const [i] of structs.entries()) {
      const codec = compile(btf, idOf(btf, i))
      const viewer = RecordViewer.of(codec as Codec<object>)!
      for (let n = 0; n < 3; n++) {
        const bytes = bytesFor(codec)
        const around = Buffer.concat([random(5), bytes, random(9)])
        const view = new DataView(around.buffer, around.byteOffset, around.length)
        viewer.moveTo(view, 5, bytes.length)
        same(plain(viewer.view), codec.decodeBytes(bytes), `r${i}`)
        same(viewer.copy(), codec.decodeBytes(bytes), `r${i}`)
      }
    }
  })
})

/** Reads all members of a view. */
function plain(view: object): object {
  const entries = Object.entries(view).map(([name, value]: [string, unknown]) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
      return [name, value]
    if (!('equals' in value && value.equals instanceof Function)) return [name, plain(value)]
    const text = String(value)
    expect(value.equals(text)).toBe(true)
    expect(value.equals(`${text}.`)).toBe(false)
    return [name, text]
  })
  return Object.fromEntries(entries)
}

/** Compares values. This is faster than expect(). */
function same(one: unknown, other: unknown, name: string): void {
  if (!isDeepStrictEqual(one, other)) expect(one, name).toEqual(other)
}

/**
 * Returns the bytes, or the error for a union that cannot be written: none of its members has every bit, as with text,
 * booleans and floats.
 */
function encode(codec: Codec, value: unknown): Uint8Array | string {
  try {
    return codec.encodeBytes(value)
  } catch (error) {
    const { message } = error as Error
    expect(message).toMatch(/share a union but do not agree: give only one of them$/)
    return message
  }
}

describe('random structs, compared with a C compiler', () => {
  test('have the same offsets, and the same integers and bitfields in random bytes', () => {
    const { btf } = objects.get('bpfel')!
    const wanted: [string, string][] = []
    const questions: string[] = []
    for (const [i] of structs.entries()) {
      const struct = btf.get(`r${i}`, 'struct')
      const codec = compile(btf, struct.id)
      const bytes = random(codec.size)
      const value = codec.decodeBytes(bytes)
      wanted.push([`r${i}`, String(struct.size)])
      questions.push(
        `{ static const unsigned char b[] = {${bytes.join()}}; struct r${i} x; memcpy(&x, b, sizeof b);`,
        `printf("r${i} %zu\\n", sizeof x);`,
      )
      for (const { name, bitOffset, bitfieldSize, typeId } of fieldsOf(btf, struct)) {
        if (bitfieldSize === 0) {
          wanted.push([`r${i}.${name}`, String(bitOffset / 8)])
          questions.push(`printf("r${i}.${name} %zu\\n", offsetof(struct r${i}, ${name}));`)
        }
        const type = btf.resolve(typeId)
        const number = (value as Record<string, number | bigint>)[name]!
        // A _Bool with a byte other than 0 and 1 is undefined in C.
        if (
          !['int', 'enum', 'enum64'].includes(type.kind) ||
          ('bool' in type && type.bool && bitfieldSize === 0)
        )
          continue
        if ('size' in type && type.size > 8) continue
        wanted.push([`r${i}.${name}=`, String(BigInt.asIntN(64, BigInt(number)))])
        questions.push(`printf("r${i}.${name}= %lld\\n", (long long)x.${name});`)
      }
      questions.push('}')
    }
    const headers = '#include <stdio.h>\n#include <stddef.h>\n#include <string.h>\n'
    const output = runC(`${headers}${source}\nint main(void) {\n${questions.join('\n')}\nreturn 0;\n}\n`)
    expect(wanted.length).toBeGreaterThan(200)
    expect(wanted.map((pair) => pair.join(' '))).toEqual(output.trim().split('\n'))
  })
})
