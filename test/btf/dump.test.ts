import { BpfError, Btf } from 'libbpf-node'
import { afterAll, describe, expect, test } from 'vitest'
import { compile } from '../../lib/btf/codec.js'
import type { BtfTypes } from '../../lib/btf/parse.js'
import type { BtfStruct } from '../../lib/btf/types.js'
import { randomOf } from '../helpers/random.js'
import { DumpReader } from './dump-text.js'
import { fieldsOf } from './helper.js'

const kernel = Btf.fromKernel()
afterAll(() => kernel.close())
const btf = kernel.types as unknown as BtfTypes
const structs = [...btf.ofKind('struct')].filter((struct) => struct.size <= 4096)

/**
 * Random bytes without zeros: after libbpf has written the items of a byte array, it takes a 0 in any single byte for
 * the end of a string, and omits what follows.
 */
const random = randomOf(7).bytes
const nonZero = (size: number) => random(size).map((byte) => byte || 1)

/** Types that libbpf cannot write, so that there is nothing to compare. */
function dumped(struct: BtfStruct, bytes: Uint8Array): string | undefined {
  try {
    return kernel.dumpData(struct.id, bytes, { names: false, zeroes: true })
  } catch (error) {
    if (error instanceof BpfError) return undefined
    throw error
  }
}

/** A bitfield in a packed struct that extends beyond the bytes of its type. libbpf reads only the bytes of the type. */
function isBeyondLibbpf(struct: BtfStruct): boolean {
  return fieldsOf(btf, struct).some(({ bitfieldSize, bitOffset, typeId }) => {
    return bitfieldSize > 0 && (bitOffset % 8) + bitfieldSize > btf.sizeOf(typeId) * 8
  })
}

describe('Btf.dumpData', () => {
  test('reads the same values as our codecs from random bytes, for the structs of the running kernel', () => {
    const problems: string[] = []
    let compared = 0
    let values = 0
    const left: string[] = []
    for (const struct of structs) {
      const bytes = nonZero(struct.size)
      const text = dumped(struct, bytes)
      if (text === undefined || isBeyondLibbpf(struct)) {
        left.push(struct.name)
        continue
      }
      const reader = new DumpReader(btf, text)
      try {
        // No length is given, because flexible arrays are empty for libbpf.
        const value = compile(btf, struct.id, { generate: false }).decode(new DataView(bytes.buffer), 0)
        reader.compare(struct.id, value, struct.name)
        if (!reader.isAtEnd) problems.push(`${struct.name}: libbpf says more`)
      } catch (error) {
        problems.push(`${struct.name} (${struct.id}): ${(error as Error).message}`)
      }
      compared++
      values += reader.compared
    }
    expect(problems).toEqual([])
    expect(compared).toBeGreaterThan(3000)
    expect(values).toBeGreaterThan(50_000)
    expect(left.length).toBeLessThan(structs.length / 50)
  }, 120_000)

  test('writes one line, several lines, and values only', () => {
    const bytes = new Uint8Array(16)
    bytes[0] = 5
    expect(kernel.dumpData('timespec64', bytes)).toMatch(
      /^\(struct timespec64\)\{\.tv_sec = \(time64_t\)5,\}$/,
    )
    expect(kernel.dumpData('timespec64', bytes, { names: false, zeroes: true })).toBe('{5,0,}')
    expect(kernel.dumpData(btf.get('timespec64').id, bytes, { indent: '  ', zeroes: true })).toMatch(
      /^\(struct timespec64\)\{\n {2}\.tv_sec = \(time64_t\)5,\n {2}\.tv_nsec = \(long( int)?\)0,\n\}$/,
    )
  })

  test('throws for too few bytes, unknown types and wrong arguments', () => {
    expect(() => kernel.dumpData('timespec64', new Uint8Array(3))).toThrow(/E2BIG/)
    expect(() => kernel.dumpData('timespec65', new Uint8Array(16))).toThrow("did you mean 'timespec64'")
    expect(() => kernel.dumpData(2 ** 31, new Uint8Array(16))).toThrow(RangeError)
    expect(() => kernel.dumpData(-1, new Uint8Array(16))).toThrow(RangeError)
    expect(() => kernel.dumpData('timespec64', 'bytes' as unknown as Uint8Array)).toThrow(TypeError)
  })
})
