import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { compile } from '../../lib/btf/codec.js'
import { compileBpf, fieldsOf, pathOf, runC } from './helper.js'

const btf = compileBpf('nasty.c').btf
const source = readFileSync(pathOf('nasty.c'), 'utf8')
const structs = [...btf.ofKind('struct')].filter((struct) => struct.name !== '')

/** Structs whose alignment comes from `aligned(n)`, which BTF does not record. */
const overaligned = ['aligned']

/** Returns the output of a C program that prints a line of words for each question. */
function ask(questions: string[]): string[][] {
  const headers = '#include <stdio.h>\n#include <stddef.h>\n#include <string.h>\n'
  const output = runC(`${headers}${source}\nint main(void) {\n${questions.join('\n')}\nreturn 0;\n}\n`)
  return output
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
}

describe('layout, compared with a C compiler', () => {
  test('has the same sizes and alignments', () => {
    const answers = ask(
      structs.map(
        ({ name }) => `printf("${name} %zu %zu\\n", sizeof(struct ${name}), _Alignof(struct ${name}));`,
      ),
    )
    const ours = structs.map(({ id, name }) => [name, String(btf.sizeOf(id)), String(btf.alignOf(id))])
    const comparable = ([name]: string[]) => !overaligned.includes(name!)
    expect(structs.length).toBeGreaterThan(8)
    expect(ours.filter(comparable)).toEqual(answers.filter(comparable))
    expect(answers.map(([, size]) => size)).toEqual(ours.map(([, size]) => size))
  })

  test('has the same offsets of all members, including those of anonymous structs and unions', () => {
    const members = structs.flatMap((struct) =>
      fieldsOf(btf, struct)
        .filter((field) => field.bitfieldSize === 0)
        .map((field) => ({ struct: struct.name, ...field })),
    )
    const answers = ask(
      members.map(({ struct, name, last }) => {
        const size =
          last && btf.sizeOf(members.find((m) => m.struct === struct && m.name === name)!.typeId) === 0
            ? '(size_t)0'
            : `sizeof(((struct ${struct} *)0)->${name})`
        return `printf("${struct}.${name} %zu %zu\\n", offsetof(struct ${struct}, ${name}), ${size});`
      }),
    )
    const ours = members.map(({ struct, name, bitOffset, typeId }) => [
      `${struct}.${name}`,
      String(bitOffset / 8),
      String(btf.sizeOf(typeId)),
    ])
    expect(members.length).toBeGreaterThan(50)
    expect(ours).toEqual(answers)
  })

  test.each(['bits', 'squeezed'])('has the same bits for each member of struct %s', (name) => {
    const struct = btf.get(name, 'struct')
    const fields = fieldsOf(btf, struct)
    const answers = ask(
      fields.map(
        (field) =>
          `{ struct ${name} x; memset(&x, 0, sizeof x); x.${field.name} = -1; unsigned char *p = (void *)&x;
           for (int i = 0; i < sizeof x; i++) printf("%02x", p[i]); puts(""); }`,
      ),
    )
    const codec = compile<Record<string, unknown>>(btf, struct.id)
    const zero = codec.decodeBytes(new Uint8Array(codec.size))
    for (const [i, field] of fields.entries()) {
      const theirs = new Uint8Array(Buffer.from(answers[i]![0]!, 'hex'))
      const decoded = codec.decodeBytes(theirs)
      for (const other of fields) {
        if (other !== field)
          expect(decoded[other.name], `${other.name} beside ${field.name}`).toEqual(zero[other.name])
      }
      const bits = field.bitfieldSize || btf.sizeOf(field.typeId) * 8
      const ones =
        'signed' in btf.resolve(field.typeId) && (btf.resolve(field.typeId) as { signed: boolean }).signed
      const all = ones ? -1n : (1n << BigInt(bits)) - 1n
      const value = decoded[field.name]
      expect(typeof value === 'boolean' ? BigInt(value) : BigInt(value as number), field.name).toBe(all)
      expect(Buffer.from(codec.encodeBytes({ ...zero, [field.name]: value })).toString('hex')).toBe(
        answers[i]![0],
      )
    }
    expect(fields.length).toBeGreaterThan(9)
  })
})

describe('sizeOf and alignOf', () => {
  const kinds = compileBpf('kinds.c').btf

  test.each([
    ['never_defined', 'fwd never_defined has no size'],
    ['helper', 'func helper has no size'],
  ])('throw for %s', (name, message) => {
    expect(() => kinds.sizeOf(kinds.get(name).id)).toThrow(message)
    expect(() => kinds.alignOf(kinds.get(name).id)).toThrow(/has no alignment/)
  })

  test('throw for void', () => {
    expect(() => kinds.sizeOf(0)).toThrow('void has no size')
  })

  test('return those of its type for a variable', () => {
    expect(kinds.sizeOf(kinds.get('first', 'var').id)).toBe(88)
    expect(kinds.alignOf(kinds.get('first', 'var').id)).toBe(8)
  })
})
