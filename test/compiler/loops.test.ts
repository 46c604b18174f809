import { Emulator } from 'libbpf-node/testing'
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
    ['let n = u32(input[0]); for (const i of range(n, 5)) { n = 0; output[0] = output[0] + 1 }', [4n], 4n],
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
    ['let v: u32 = 40000; while (v < 40010) { v++ }; output[0] = v', [], 40010n],
    ['let v: s32 = -20000; do { v -= 5 } while (v !== -20100); output[0] = u64(-v)', [], 20100n],
    ['let n: u64 = 0; let v = u32(input[0]) & 63; while (v > 5) { v--; n++ }; output[0] = n', [60n], 55n],
    ['let n: u64 = 0; for (let v = u8(input[0]); v > 0; v--) n += 2; output[0] = n', [0x10aan], 340n],
  ])('%s', (body, input, expected) => {
    expect(first(body, input, { oldestKernel: '5.10' })).toBe(expected)
  })
})

describe('loops whose rounds the kernel counts', () => {
  const counted: [string, bigint[], bigint][] = [
    ['let n: u64 = 0; for (let i: u32 = 0; i < 9000; i++) n += i; output[0] = n', [], 40_495_500n],
    [
      'let n: u64 = 0; for (let i: s32 = 4000; i >= -5000; i--) { if (i & 1) continue; if (i < -4900) break; n += u64(i + 5000) }; output[0] = n',
      [],
      20_252_050n,
    ],
    [
      'let i: u32 = 0; for (; i < 9000 && output[1] < input[0]; i++) output[1] = i; output[0] = i',
      [8500n],
      8501n,
    ],
    [
      'let n: u64 = 0; for (const i of range(u32(input[0]), 9000)) n += i; output[0] = n',
      [60_000n],
      40_495_500n,
    ],
    ['let i: u32 = 0; while (true) { if (i === 9000) break; i++ }; output[0] = i', [], 9000n],
    ['let v = u16(input[0]); while (v > 40_000) v++; output[0] = v', [65_000n], 0n],
    [
      'let n: u64 = 0; let v = u32(input[0]) % 40; while (v !== 0 && v > 0) { v--; n++ }; output[0] = n',
      [50n],
      10n,
    ],
    [
      'let n: u64 = 0; let v: u32 = 3; for (const i of range(3)) { while (v > 0) { v--; n++ } v = u32(input[0]) }; output[0] = n',
      [300n],
      603n,
    ],
    [
      'let n: u32 = 0; for (const i of range(u32(input[0]))) { n += 1; if (n === 3) output[0] = i }',
      [1000n],
      2n,
    ],
    ['let n: u64 = 0; for (const i of range(u32(input[0]))) n += i; output[0] = n', [1000n], 499_500n],
    [
      'let n: u64 = 0; let x: u64 = input[0]; while (x !== 0) { x &= x - 1; n++ }; output[0] = n',
      [0xff00ffn],
      16n,
    ],
    ['let n: u64 = 0; while (true) { n++; if (n >= input[0]) break }; output[0] = n', [12_345n], 12_345n],
    ['let n: u64 = 0; for (;;) { n += 2; if (n > input[0]) break }; output[0] = n', [9n], 10n],
    // A count that would go around, if its first value were 0.
    ['let k = input[0] & 15; do { output[0] = output[0] + k; k -= 1 } while (k > 0)', [5n], 15n],
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
    requiresKernel('5.17', `${body}, as a function`, () => {
      expect(first(body, input, { oldestKernel: '5.17' })).toBe(expected)
    })
  }

  const declarations = `
    interface Pair { a: u32; b: u64 }
    export const pairs = hash<u32, Pair>(16)
    export const counts = array<u64>(4)
    function firstAbove(limit: u64): u64 {
      let i: u64 = 0
      while (true) {
        if (i * i > limit) return i
        i++
      }
      return 99
    }
    function sumBelow(n: u32): u64 {
      let sum: u64 = 0
      for (const i of range(n)) {
        if (i === 77) return sum * 1000 + 7
        sum += i
      }
      return sum
    }`
  requiresKernel('5.17', 'know the pointers, structs and variables around them as functions', () => {
    const body = `
      const pair: Pair = { a: 1, b: 2 }
      const total = counts.get(1)
      if (!total) return 0
      let last: u64 = 0
      for (const i of range(u32(input[0]))) {
        pair.b += i
        total.value += 1
        pairs.set(i & 15, { a: i, b: pair.b })
        const back = pairs.get(i & 15)
        if (!back) break
        last = back.b
      }
      output[0] = pair.b
      output[1] = total.value
      output[2] = last
      output[3] = packet.len`
    const { output } = runBoth(body, { declarations, input: [10n], oldestKernel: '5.17' })
    expect(output.slice(0, 4)).toEqual([47n, 10n, 47n, 64n])
  })

  requiresKernel('5.17', 'are left by return out of functions that they stand in, as functions', () => {
    const body = `
      output[0] = firstAbove(input[0]) + firstAbove(input[1])
      output[1] = sumBelow(u32(input[2])) + sumBelow(u32(input[3]))
      let n: u64 = 0
      while (n < input[4]) {
        let m: u64 = 0
        do { m++; if (m === 3) continue; output[2] = output[2] + 1 } while (m < input[5])
        n += m
      }
      output[3] = n`
    const input = [99n, 9_999n, 10n, 100n, 10n, 4n]
    const { output, result } = runBoth(body, { declarations, input, oldestKernel: '5.17' })
    expect(output.slice(0, 4)).toEqual([10n + 100n, 45n + 2926n * 1000n + 7n, 9n, 12n])
    expect(result.programs).toHaveLength(1)
  })

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

  const many = (type: string): string => `
    switch (${type}(input[0])) {
      case -1: output[0] = 1; break
      case 3: output[0] = 2
      case 0: output[0] = output[0] + 3; break
      case 100: output[0] = 4; break
      case 7: output[0] = 5; break
      case 2147483648: output[0] = 6; break
      case 8: case 9: case 10: output[0] = 7; break
      case 1000: output[0] = 8; break
      case 4294967295: output[0] = 9; break
      case -5: output[0] = 10; break
      default: output[0] = 11
    }`
  it.each(['s64', 'u64', 'u32', 's32'])('finds one of many cases of a %s', (type) => {
    const bits = Number(type.slice(1))
    const cut = (value: bigint): bigint =>
      type.startsWith('s') ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)
    const cases: [bigint, bigint][] = [
      [-1n, 1n],
      [3n, 5n],
      [0n, 3n],
      [100n, 4n],
      [7n, 5n],
      [2147483648n, 6n],
      [8n, 7n],
      [9n, 7n],
      [10n, 7n],
      [1000n, 8n],
      [4294967295n, 9n],
      [-5n, 10n],
    ]
    for (const value of [...cases.map(([one]) => one), 1n, 2n, 4n, 11n, 99n, 101n, 5000n, -2n, -6n]) {
      const found = cases.find(([one]) => cut(one) === cut(value))
      expect(first(many(type), [BigInt.asUintN(64, value)]), `${value}`).toBe(found?.[1] ?? 11n)
    }
  })

  it('compares less often where there are many cases', () => {
    const cases = Array.from({ length: 64 }, (_, i) => `case ${i * 3}: output[0] = ${i * i}; break`)
    const { result, output } = runBoth(`switch (input[0]) { ${cases.join('\n')} }`, { input: [189n] })
    expect(output[0]).toBe(63n * 63n)
    // One after the other, it would be 64 comparisons.
    const emulator = Emulator.open(result.object, { budget: 30 })
    emulator.set('input', [189n, 0n, 0n, 0n, 0n, 0n, 0n, 0n])
    emulator.program('p').run({ packet: new Uint8Array(64) })
    expect(emulator.get<bigint[]>('output')[0]).toBe(63n * 63n)
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
