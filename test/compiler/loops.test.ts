import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { runBoth } from './run.js'

const first = (body: string, input: readonly bigint[] = [], options = {}): bigint =>
  runBoth(body, { input, ...options }).output[0]!

describe('loops that the verifier follows', () => {
  it.each<[string, bigint[], bigint]>([
    ['let i: u32 = 0; while (i < 10) { output[0] = output[0] + i; i++ }', [], 45n],
    ['let i: u32 = 0; do { output[0] = output[0] + 1; i += 3 } while (i < 10)', [], 4n],
    ['let i: u32 = 10; do { output[0] = output[0] + 1; i++ } while (i < 10)', [], 1n],
    ['for (const i of range(input[0] > 20 ? 20 : u32(input[0]), 20)) output[0] = output[0] + i', [7n], 21n],
    ['for (const i of range(u32(input[0]), 5)) output[0] = output[0] + 1', [100n], 5n],
    ['const n = 6; for (const i of range(n)) output[0] = output[0] + 1', [], 6n],
    ['let n: u64 = 0; for (let i: u32 = 8; i > 0; i -= 2) n += i; output[0] = n', [], 20n],
    [
      `let n: u64 = 0
       outer: for (const i of range(5)) {
         for (const j of range(5)) {
           if (j === 3) continue outer
           if (i === 3) break outer
           n += i * 10 + j
         }
       }
       output[0] = n`,
      [],
      99n,
    ],
    [
      'let n: u64 = 0; let i: u32 = 0; while (i < 10 && n < input[0]) { i++; n += i }; output[0] = n',
      [11n],
      15n,
    ],
  ])('%s', (body, input, expected) => {
    expect(first(body, input)).toBe(expected)
  })
})

describe('loops whose rounds the kernel counts', () => {
  const counted: [string, bigint[], bigint][] = [
    ['let n: u64 = 0; for (const i of range(u32(input[0]))) n += i; output[0] = n', [1000n], 499_500n],
    [
      'let n: u64 = 0; let x: u64 = input[0]; while (x !== 0) { x &= x - 1; n++ }; output[0] = n',
      [0xff00ffn],
      16n,
    ],
    ['let n: u64 = 0; while (true) { n++; if (n >= input[0]) break }; output[0] = n', [12_345n], 12_345n],
    ['let n: u64 = 0; for (;;) { n += 2; if (n > input[0]) break }; output[0] = n', [9n], 10n],
    ['let n: u64 = 0; do { n++ } while (n * n < input[0]); output[0] = n', [10_000n], 100n],
    [
      `for (const i of range(u32(input[0]))) {
         for (const j of range(u32(input[0]))) {
           if (i * j === input[1]) { output[0] = i; return 0 }
         }
       }`,
      [30n, 35n],
      5n,
    ],
    [
      `let n: u64 = 0
       outer: for (const i of range(u32(input[0]))) {
         for (const j of range(u32(input[0]))) {
           if (j > i) continue outer
           if (i === 20) break outer
           n++
         }
       }
       output[0] = n`,
      [100n],
      210n,
    ],
  ]
  for (const [body, input, expected] of counted) {
    requiresKernel('6.4', body, () => {
      expect(first(body, input)).toBe(expected)
    })
  }

  requiresKernel('6.9', 'need no iterator where the oldest kernel has may_goto', () => {
    const body = 'let n: u64 = 0; let x: u64 = input[0]; while (x !== 0) { x &= x - 1; n++ }; output[0] = n'
    const { output, result } = runBoth(body, { input: [0xff00ffn], oldestKernel: '6.9' })
    expect(output[0]).toBe(16n)
    expect(result.programs[0]!.instructions).toBeLessThan(
      runBoth(body, { input: [0xff00ffn], oldestKernel: '6.4' }).result.programs[0]!.instructions,
    )
  })
})

describe('switch', () => {
  const grade = `
    switch (input[0]) {
      case 1: output[0] = 10; break
      case 2:
      case 3: output[0] = 20
      case 4: output[0] = output[0] + 1; break
      default: output[0] = 99
      case 7: output[1] = 7
    }`
  it.each<[bigint, bigint, bigint]>([
    [1n, 10n, 0n],
    [2n, 21n, 0n],
    [3n, 21n, 0n],
    [4n, 1n, 0n],
    [5n, 99n, 7n],
    [7n, 0n, 7n],
  ])('goes to case %s, and falls through', (value, a, b) => {
    expect(runBoth(grade, { input: [value] }).output.slice(0, 2)).toEqual([a, b])
  })

  it('returns out of its cases, and is left by continue of the loop around it', () => {
    const body = `
      for (const i of range(10)) {
        switch (i) {
          case 3: continue
          case 7: return 0
        }
        output[0] = output[0] + i
      }`
    expect(first(body)).toBe(0n + 1n + 2n + 4n + 5n + 6n)
  })
})

describe('?? and ?.', () => {
  it('give another value where a pointer is null', () => {
    const declarations = `
      interface Pair { a: u32; b: u64 }
      export const counts = hash<u32, u64>(4)
      export const pairs = hash<u32, Pair>(4)`
    const body = `
      output[0] = counts.get(1)?.value ?? 7
      counts.set(1, 5)
      output[1] = counts.get(1)?.value ?? 7
      const pair = pairs.get(1)
      output[2] = pair?.b ?? input[0]
      pairs.set(2, { a: 3, b: 4 })
      output[3] = (pairs.get(2)?.b ?? 0) + (pairs.get(2)?.a ?? 0)`
    expect(runBoth(body, { declarations, input: [42n] }).output.slice(0, 4)).toEqual([7n, 5n, 42n, 7n])
  })
})
