// Numbers with a sign, by the instructions of Linux 6.6 and without them.
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { runBoth } from './run.js'

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)

const sources = [
  0n,
  1n,
  -1n,
  7n,
  -7n,
  127n,
  -128n,
  0x7fffn,
  -0x8000n,
  2n ** 31n,
  -(2n ** 31n),
  2n ** 63n - 1n,
  -(2n ** 63n),
]
const divisors = [3n, -3n, 1n, -1n, 0n, -(2n ** 63n)]

const body = `
  const a = s64(input[0])
  const b = s64(input[1])
  output[0] = u64(a / b)
  output[1] = u64(a % b)
  output[2] = u64(s64(s32(a) / s32(b)))
  output[3] = u64(s64(s32(a) % s32(b)))
  output[4] = u64(s64(s8(a)) + s64(s16(b)))
  output[5] = u64(s64(s16(a) >> 3))
  small.a = s8(a)
  small.b = s16(a)
  small.c = s32(a)
  output[6] = u64(s64(small.a) * 3 + s64(small.b) * 5 + s64(small.c) * 7)
  output[7] = u64(s32(a) / 5) + u64(a % -9)`

const declarations = `
  interface Small { a: s8; b: s16; c: s32 }
  export let small = bss<Small>()`

const divided = (a: bigint, b: bigint): bigint => (b === 0n ? 0n : a / b)
const rest = (a: bigint, b: bigint): bigint => (b === 0n ? a : a % b)
const cut = (value: bigint, bits: number): bigint => BigInt.asIntN(bits, value)

function expected(a: bigint, b: bigint): bigint[] {
  const [a32, b32] = [cut(a, 32), cut(b, 32)]
  return [
    divided(a, b),
    rest(a, b),
    cut(divided(a32, b32), 32),
    rest(a32, b32),
    cut(a, 8) + cut(b, 16),
    cut(a, 16) >> 3n,
    cut(a, 8) * 3n + cut(a, 16) * 5n + cut(a, 32) * 7n,
    BigInt.asIntN(64, a32 / 5n) + (a % -9n),
  ].map(u64)
}

const all = sources.flatMap((a) => divisors.map((b): [bigint, bigint] => [a, b]))

describe('numbers with a sign', () => {
  const agree = (options: { oldestKernel?: string }): number => {
    let instructions = 0
    for (const [a, b] of all) {
      const { output, result } = runBoth(body, { declarations, input: [u64(a), u64(b)], ...options })
      expect(output, `${a} and ${b}`).toEqual(expected(a, b))
      instructions = result.programs[0]!.instructions
    }
    return instructions
  }

  it('are divided, shifted and extended as in C', () => {
    expect(agree({})).toBeGreaterThan(0)
  })

  requiresKernel('6.6', 'need fewer instructions where the oldest kernel has those for signs', () => {
    const { result } = runBoth(body, { declarations })
    expect(agree({ oldestKernel: '6.6' })).toBeLessThan(result.programs[0]!.instructions * 0.8)
  })
})

describe('numbers that are known and have a type', () => {
  const declarations =
    'const size = u32(24)\nconst length: u32 = 24\nconst double: u32 = length * 2\nexport const one = rodata<u32>(1)'
  const cases = [
    ['-u32(24)', 2n ** 32n - 24n],
    ['-size', 2n ** 32n - 24n],
    ['size - 25', 2n ** 32n - 1n],
    ['-length', 2n ** 32n - 24n],
    ['length - double', 2n ** 32n - 24n],
    ['u32(24) - u32(25)', 2n ** 32n - 1n],
    ['u32(0xffffffff) + u32(1)', 0n],
    ['s32(0x7fffffff) + s32(1)', -(2n ** 31n)],
    ['u32(3) << u32(31)', 2n ** 31n],
    ['s32(-1) * u32(1)', 2n ** 32n - 1n],
    ['u32(5) * s64(-1)', -5n],
    ['-(u16(3))', 2n ** 32n - 3n],
    ['bool(5)', 1n],
    ['24 - 25', -1n],
  ] as const
  it.each(cases)('%s is what it would be in the kernel', (text, expected) => {
    const { output } = runBoth(`output[0] = u64(s64(${text}))\noutput[1] = u64(${text}) * one`, {
      declarations,
    })
    expect(output.slice(0, 2)).toEqual([u64(expected), u64(expected)])
  })
})
