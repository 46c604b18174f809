// Programs at the edges of the language, written by hand. What they compute is worked out again in JavaScript.
import { compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { runBoth } from './run.js'

const cut = (bits: number, value: bigint): bigint => BigInt.asUintN(bits, value)
const as64 = (value: bigint): bigint => cut(64, value)

/** A program, its input, and what it leaves in `output`. */
type Odd = [title: string, body: string, input: bigint[], expected: bigint[], declarations?: string]

function check(programs: readonly Odd[]): void {
  it.each(programs)('%s', (_, body, input, expected, declarations = '') => {
    const { output } = runBoth(body, { declarations, input })
    expect(output.slice(0, expected.length)).toEqual(expected)
  })
}

describe('one side or the other', () => {
  check([
    [
      'is the left side of || unless that is 0, and the right side of && unless the left one is',
      `output[0] = input[0] || 10; output[1] = input[1] || 10; output[2] = input[0] && 7; output[3] = input[1] && 7
       output[4] = (input[1] || input[2]) + 1; output[5] = input[1] || input[3] || 3; output[6] = input[0] && input[2] && 9`,
      [5n, 0n, 8n],
      [5n, 10n, 7n, 0n, 9n, 3n, 9n],
    ],
    [
      'is true or false if both sides are',
      `const both = input[0] > 3 && input[0] < 9
       const either = input[0] > 7 || !input[1]
       const text: char<8> = 'abc'
       const begins = text.startsWith('x') || text.startsWith('ab')
       const last = yes() || yes()
       state = yes() && last
       output[0] = both ? 1 : 0; output[1] = either ? 1 : 0; output[2] = begins ? 1 : 0; output[3] = state ? 1 : 0
       output[4] = input[0] && input[0] > 4 ? 1 : 0; output[5] = calls`,
      [5n, 1n],
      [1n, 0n, 1n, 1n, 1n, 2n],
      `export let calls = data<u64>(0)
       export let state = data<boolean>(0)
       function yes(): boolean { calls += 1; return true }`,
    ],
    [
      'is computed only where it is asked for',
      `output[0] = input[0] || bump(4); output[1] = calls; output[2] = input[1] && bump(4); output[3] = calls
       output[4] = input[1] || bump(4); output[5] = calls`,
      [5n, 0n],
      [5n, 0n, 0n, 0n, 4n, 1n],
      'export let calls = data<u64>(0)\nfunction bump(x: u64): u64 { calls += 1; return x }',
    ],
  ])
})

describe('numbers that fit', () => {
  check([
    [
      'what is left of 64 bits after a shift fits 32',
      `const upper: u32 = input[0] >> 32
       const pid = input[0] >> 33
       const small: u16 = pid >>> 15
       output[0] = upper; output[1] = s32(pid); output[2] = small`,
      [0xfedc_ba98_7654_3210n],
      [0xfedc_ba98n, 0x7f6e_5d4cn, 0x7f6e_5d4cn >> 15n],
    ],
    [
      'what a mask leaves fits, too, also of a signed number',
      `const a: u8 = input[0] & 0xff
       const b: u16 = s32(input[0]) & 0x7fff
       const c: u8 = (u16(input[0]) >> 4) >> 4
       const d: u32 = input[0] & u32(input[1])
       output[0] = a; output[1] = b; output[2] = c; output[3] = d`,
      [0xffff_ffff_8765_fedcn, 0xffff_ffffn],
      [0xdcn, 0x7edcn, 0xfen, 0x8765_fedcn],
    ],
  ])

  it.each([
    ['const x: u32 = input[0] >> 31', 'u64 does not fit u32'],
    ['const x: u8 = input[0] & 0x100', 'u64 does not fit u8'],
    ['const x: u32 = s64(input[0]) >> 32', 's64 does not fit u32'],
    ['let y = input[0] >> 32\ny += 1\nconst x: u32 = y', 'u64 does not fit u32'],
    ['const x: u8 = input[0] & -1', 'u64 does not fit u8'],
  ])('%s does not fit', (body, message) => {
    expect(() => runBoth(body)).toThrow(message)
  })
})

describe('numbers at their edges', () => {
  const [min64, max64] = [1n << 63n, (1n << 63n) - 1n]
  check([
    [
      'signed numbers of 64 bits are compared with their signs',
      `const a = s64(input[0]); const b = s64(input[1])
       output[0] = a < b ? 1 : 0; output[1] = a > b ? 1 : 0; output[2] = a <= a ? 1 : 0; output[3] = b >= a ? 1 : 0`,
      [min64, max64],
      [1n, 0n, 1n, 1n],
    ],
    [
      'a comparison of a signed with an unsigned number has no signs',
      `const a: s32 = s32(input[0]); const b: u32 = 1
       output[0] = a < b ? 1 : 0; output[1] = s64(a) < b ? 1 : 0`,
      [as64(-1n)],
      [0n, 1n],
    ],
    [
      'a small unsigned number is larger than a negative one',
      `const a: u8 = u8(input[0]); const b: s8 = s8(input[1]); output[0] = s32(a) > b ? 1 : 0`,
      [200n, as64(-1n)],
      [1n],
    ],
    [
      'a shift counts modulo the number of bits',
      `const by = u32(input[0])
       output[0] = u64(1) << by; output[1] = u32(1) << by; output[2] = u64(s32(-64) >> by); output[3] = u32(0x80000000) >>> by`,
      [33n],
      [1n << 33n, 2n, as64(-32n), 0x40000000n],
    ],
    [
      'a shift by a negative number counts modulo, too',
      `const by = s8(input[0]); output[0] = u64(1) << by; output[1] = u32(1) << by`,
      [as64(-1n)],
      [1n << 63n, 1n << 31n],
    ],
    [
      'a counter of 8 bits goes around',
      `let a: u8 = 250; for (const i of range(10)) a += 1
       let b: s8 = 126; b++; b++
       let c: u16 = 0; c--
       output[0] = a; output[1] = u64(b); output[2] = c`,
      [],
      [4n, as64(-128n), 0xffffn],
    ],
    [
      'a loop ends although its counter of 8 bits goes around in between',
      `let rounds: u32 = 0; let i: u8 = 254
       for (const j of range(8)) { i++; if (i === 2) break; rounds++ }
       output[0] = rounds; output[1] = i`,
      [],
      [3n, 2n],
    ],
    [
      'negative constants of small types extend as they should',
      `let a: s8 = -2; let b: s16 = -300; let c: s32 = -5
       output[0] = u64(a); output[1] = u64(u32(a)); output[2] = u64(u8(a)); output[3] = u64(u32(b)); output[4] = u64(c); output[5] = u64(u32(c))`,
      [],
      [as64(-2n), 0xfffffffen, 0xfen, cut(32, -300n), as64(-5n), cut(32, -5n)],
    ],
    [
      'the smallest number divided by -1',
      `const a = s64(input[0]); const b = s64(input[1]); output[0] = u64(a / b); output[1] = u64(a % b)
       const c = s32(input[2]); const d = s32(input[1]); output[2] = u64(c / d); output[3] = u64(c % d)`,
      [min64, as64(-1n), 0x80000000n],
      [min64, 0n, as64(-0x80000000n), 0n],
    ],
    [
      'a division by zero that nobody sees coming',
      `const zero = u32(input[0]); const a = s64(input[1])
       output[0] = u64(a / zero); output[1] = u64(a % zero); output[2] = u32(input[1]) / zero; output[3] = u64(s32(input[1]) % zero)`,
      [0n, as64(-7n)],
      [0n, as64(-7n), 0n, cut(32, -7n)],
    ],
    [
      'a remainder has the sign of the left side',
      `output[0] = u64(s64(input[0]) % 3); output[1] = u64(s64(input[0]) / 3); output[2] = u64(s8(input[0]) % s8(input[1]))`,
      [as64(-7n), as64(-4n)],
      [as64(-1n), as64(-2n), as64(-3n)],
    ],
    [
      'constants without a type have 64 bits',
      `output[0] = 0xffff_ffff + 1; output[1] = 1 << 40; output[2] = u64(-1) >>> 60; output[3] = u64(7 / -2)`,
      [],
      [0x1_0000_0000n, 1n << 40n, 15n, as64(-3n)],
    ],
    [
      'a choice between small numbers of both signs',
      `const small: u8 = u8(input[0]); const negative: s16 = s16(input[1])
       output[0] = u64(input[2] ? small : negative); output[1] = u64(input[2] ? 1 : -1)`,
      [9n, as64(-9n), 0n],
      [cut(32, -9n), as64(-1n)],
    ],
    [
      'bool is 0 or 1, whatever it was made from',
      `let b: bool = bool(input[0]); output[0] = u64(b); b = !b; output[1] = u64(b); output[2] = u64(bool(s8(input[0]))); output[3] = u64(!!input[0])`,
      [0x100n],
      [1n, 0n, 0n, 1n],
    ],
    [
      'log2 is the number of the highest bit, and 0 for numbers below 2',
      `for (const i of range(64)) { output[0] = output[0] + log2(u64(1) << i); output[1] = output[1] + log2((u64(2) << i) - 1); output[2] = output[2] + log2(u32(1) << i) }
       output[3] = log2(input[0]) * 100 + log2(s64(input[0])); output[4] = log2(s32(input[0])) * 100 + log2(u8(input[0])) * 10 + log2(s8(input[0])); output[5] = log2(input[1])
       output[6] = log2(input[0], 20) * 100 + log2(15) * 10 + log2(input[1], 5); slots[log2(input[0], 32)] += 7; slots[log2(input[1])] += 4; output[7] = slots[32] + slots[0] * 10`,
      [as64(-128n), 1n],
      [2016n, 2016n, 992n, 6300n, 70n, 0n, 2030n, 47n],
      'export const slots = bss<array<u64, 64>>()',
    ],
    [
      'compound assignments cut off as their variables do',
      `let a: u8 = 200; a += 100; let b: u8 = 1; b <<= 9; let c: s16 = -1; c >>>= 4; let d: u32 = 5; d -= 6
       output[0] = a; output[1] = b; output[2] = u64(c); output[3] = d`,
      [],
      [44n, 0n, as64(-1n), 0xffffffffn],
    ],
  ])
})

describe('conditions', () => {
  const calls = `
    export let trace = data<u64>(0)
    function seen(digit: u64, answer: bool): bool { trace = trace * 10 + digit; return answer }`
  const odd = (condition: string, expected: bigint, way: bigint): Odd => [
    condition,
    `trace = 0; output[0] = ${condition} ? 1 : 0; output[1] = trace`,
    [1n, 0n],
    [expected, way],
    calls,
  ]
  check([
    odd('(seen(1, true) && seen(2, false)) || seen(3, true)', 1n, 123n),
    odd('(seen(1, false) && seen(2, true)) || (seen(3, false) || seen(4, true))', 1n, 134n),
    odd('!(seen(1, true) || seen(2, true)) || seen(3, false)', 0n, 13n),
    odd('seen(1, true) && !(seen(2, true) && !seen(3, true))', 1n, 123n),
    odd('(seen(1, false) ? seen(2, true) : seen(3, true)) && seen(4, input[1] === 0)', 1n, 134n),
    odd('!(!(seen(1, true) && seen(2, true)) || !seen(3, input[0] !== 1))', 0n, 123n),
    odd('(seen(1, true) === seen(2, false)) || (seen(3, true) !== seen(4, false))', 1n, 1234n),
    [
      'the sides of an operation are computed from left to right',
      `count = 5; output[0] = count - next(); output[1] = next() - count; output[2] = count * 10 + next()`,
      [],
      [as64(5n - 6n), as64(7n - 7n), 78n],
      `export let count = data<u64>(0)
       function next(): u64 { count = count + 1; return count }`,
    ],
    [
      'arguments are computed from left to right, and copied',
      `count = 0; let x: u64 = 1; output[0] = three(next(), next(), next()); output[1] = three(x, x, next()); output[2] = x`,
      [],
      [123n, 114n, 1n],
      `export let count = data<u64>(0)
       function next(): u64 { count = count + 1; return count }
       function three(a: u64, b: u64, c: u64): u64 { const all = a * 100 + b * 10 + c; a = 9; b = 9; return all }`,
    ],
    [
      'a variable that is assigned to in a loop condition of both forms',
      `let a: u32 = 0; let b: u32 = 0
       while (a < 5 && b < 100) { a++; b += a * a }
       do { b -= 1; a-- } while (a > 2 && b > 0)
       output[0] = a; output[1] = b`,
      [],
      [2n, 52n],
    ],
  ])
})

describe('flow of control', () => {
  check([
    [
      'a case falls through, also into the default in the middle',
      `for (const i of range(5)) {
         let x: u64 = 0
         switch (i) {
           case 0: x += 1
           default: x += 10
           case 3: x += 100; break
           case 4: { x += 1000 }
         }
         output[i] = x
       }`,
      [],
      [111n, 110n, 110n, 100n, 1000n],
    ],
    [
      'break leaves the switch, and continue the round',
      `let sum: u64 = 0
       for (const i of range(6)) {
         switch (i) {
           case 1: continue
           case 2: break
           case 3: { if (input[0]) break; sum += 50 }
           default: sum += 1
         }
         sum += 100
       }
       output[0] = sum`,
      [1n],
      [503n],
    ],
    [
      'labels leave loops and switches further out',
      `let x: u64 = 0
       outer: for (const i of range(4)) {
         inner: for (const j of range(4)) {
           choice: switch (i + j) {
             case 2: break choice
             case 3: continue outer
             case 5: break outer
             default: x += 1
           }
           if (j === 3) break inner
           x += 10
         }
         x += 1000
       }
       output[0] = x`,
      [],
      [
        (() => {
          let x = 0n
          outer: for (let i = 0; i < 4; i++) {
            for (let j = 0; j < 4; j++) {
              switch (i + j) {
                case 2:
                  break
                case 3:
                  continue outer
                case 5:
                  break outer
                default:
                  x += 1n
              }
              if (j === 3) break
              x += 10n
            }
            x += 1000n
          }
          return x
        })(),
      ],
    ],
    [
      'a function returns from inside of its loops',
      `output[0] = find(3); output[1] = find(12); output[2] = find(99); output[3] = find(u32(input[0]))`,
      [7n],
      [3n, 112n, 999n, 7n],
      `function find(what: u32): u64 {
         for (const i of range(10)) {
           for (let j: u32 = 0; j < 10; j++) {
             switch (what) { case 12: if (i === 1 && j === 2) return 112; break; default: if (i * 10 + j === what) { if (what > 50) return 999; return what } }
           }
         }
         return 5000
       }`,
    ],
    [
      'names are hidden by blocks, loops and cases',
      `const x: u64 = 1
       { const x: u64 = 20; output[0] = x; { const x = u8(input[0]); output[1] = x } output[2] = x }
       for (const x of range(2)) { output[3] = x }
       switch (u32(input[0])) { case 7: { const x: u64 = 300; output[4] = x } }
       if (input[0] === 7) { let x: u64 = 5; x += 1; output[5] = x }
       output[6] = x`,
      [7n],
      [20n, 7n, 20n, 1n, 300n, 6n, 1n],
    ],
    [
      'a parameter has the name of a variable of the caller, and of a global variable',
      `const a: u64 = 5; output[0] = twice(a + 1); output[1] = a; output[2] = shared`,
      [],
      [12n, 5n, 9n],
      `export let shared = data<u64>(9)
       function twice(a: u64): u64 { const shared = a * 2; a = 100; return shared }`,
    ],
    [
      'more numbers are in use at once than there are registers',
      `${Array.from({ length: 16 }, (_, i) => `let v${i}: u64 = input[${i % 8}] + ${i}`).join('\n')}
       for (const i of range(3)) {
         ${Array.from({ length: 16 }, (_, i) => `v${i} = v${i} * 3 + v${(i + 5) % 16}`).join('\n')}
         if (v3 > v4) v5 ^= v6
       }
       output[0] = ${Array.from({ length: 16 }, (_, i) => `v${i}`).join(' ^ ')}
       output[1] = v15`,
      [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n],
      (() => {
        const v = Array.from({ length: 16 }, (_, i) => BigInt((i % 8) + 1 + i))
        for (let round = 0; round < 3; round++) {
          for (let i = 0; i < 16; i++) v[i] = as64(v[i]! * 3n + v[(i + 5) % 16]!)
          if (v[3]! > v[4]!) v[5] = v[5]! ^ v[6]!
        }
        return [v.reduce((a, b) => a ^ b), v[15]!]
      })(),
    ],
    [
      'numbers survive calls of the kernel in registers and on the stack',
      `${Array.from({ length: 9 }, (_, i) => `const v${i} = input[${i % 8}] * ${i + 1}`).join('\n')}
       counts.set(1, v0 + v8)
       const found = counts.get(1)
       if (!found) return 0
       output[0] = ${Array.from({ length: 9 }, (_, i) => `v${i}`).join(' + ')} + found.value`,
      [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n],
      [213n + 10n],
      'export const counts = hash<u32, u64>(2)',
    ],
    [
      'a swap in a loop',
      `let a: u64 = input[0]; let b: u64 = input[1]
       for (const i of range(7)) { const t = a; a = b; b = t + b }
       output[0] = a; output[1] = b`,
      [1n, 1n],
      [21n, 34n],
    ],
    [
      'a function that returns nothing, early and late',
      `store(1); store(5); store(200); output[1] = total`,
      [],
      [0n, 205n],
      `export let total = data<u64>(0)
       function store(x: u64): void { if (x === 5) { total += 1; return } for (const i of range(3)) { if (i === 1) { total += x; if (total > 100) return } } if (x === 1) { total += 3 } }`,
    ],
  ])

  requiresKernel('6.4', 'loops that the kernel counts are left by return, in and out of functions', () => {
    const declarations = `
      function first(above: u64): u64 { let i: u64 = 1; while (true) { i = i * 2; if (i > above) return i; if (i > 1000000) break } return 0 }`
    const body = `output[0] = first(100) + first(input[0]); let n: u64 = input[1]; while (n !== 1) { n = n & 1 ? n * 3 + 1 : n / 2; output[1] += 1; if (output[1] > 500) return 0 }; output[2] = first(5000000)`
    expect(runBoth(body, { declarations, input: [7n, 27n] }).output.slice(0, 3)).toEqual([136n, 111n, 0n])
  })
})

describe('memory', () => {
  check([
    [
      'a literal reads what was there before it is written',
      `const p: Point = { x: 1, y: 2 }; p.x = 3
       let q: Point = { x: 10, y: 20 }; q = { x: q.y, y: q.x }; output[0] = q.x; output[1] = q.y
       shared = { x: 7, y: 8 }; shared = { y: shared.x, x: shared.y + p.x }; output[2] = shared.x; output[3] = shared.y
       let list: array<u32, 3> = [1, 2, 3]; list = [list[2], list[0], list[1]]; output[4] = list[0] * 100 + list[1] * 10 + list[2]`,
      [],
      [20n, 10n, 11n, 7n, 312n],
      `interface Point { x: u32; y: u32 }
       export let shared = data<Point>()`,
    ],
    [
      'a struct with a type is a copy, and one without is another name',
      `const point: Point = { x: 1, y: 2 }
       const copy: Point = point; const same = point
       copy.x = 50; same.y = 60; output[0] = point.x; output[1] = point.y; output[2] = copy.y
       let other: Point = point; other = copy; other.y = 7; output[3] = copy.y; output[4] = other.x`,
      [],
      [1n, 60n, 2n, 2n, 50n],
      'interface Point { x: u32; y: u32 }',
    ],
    [
      'text is assigned to itself, and to longer and other text',
      `let t: char<8> = 'abc'; t = t; output[0] = t === 'abc' ? 1 : 0
       let long: char<16> = 'something long'; long = t; output[1] = long === 'abc' ? 1 : 0; output[2] = long[13]
       output[3] = t[0]; t[1] = 0; output[4] = t === 'a' ? 1 : 0; output[5] = t.startsWith('a') ? 1 : 0; output[6] = t[2]`,
      [],
      [1n, 1n, 0n, 97n, 1n, 1n, 99n],
    ],
    [
      'text inside of a struct on the stack is passed to a function',
      `const e: Entry = { id: 1, short: 'ab', name: 'node', wide: 'x' }
       output[0] = isNode(e.name) ? 1 : 0; output[1] = isNode(e.short) ? 1 : 0; output[2] = isNode(e.wide) ? 1 : 0
       e.name = 'bash'; output[3] = isNode(e.name) ? 1 : 0`,
      [],
      [1n, 0n, 0n, 0n],
      `interface Entry { id: u8; short: char<6>; name: char<6>; wide: char<6> }
       function isNode(name: char<6>): bool { let count: u32 = 0; for (const i of range(4)) { if (name[i] === 0) break; count++ } if (count > 9) return false; return name === 'node' }`,
    ],
    [
      'keys with padding are the same keys',
      `counts.add({ a: 1, b: 2, c: 3 }, 5)
       const key: Key = { c: 3, b: 2, a: 1 }
       counts.add(key, 6)
       output[0] = counts.get({ b: 2, a: 1, c: 3 })?.value ?? 99
       output[1] = counts.get({ b: 2, a: 2, c: 3 })?.value ?? 99
       key.a = 2; output[2] = counts.delete(key) ? 1 : 0; key.a = 1; output[3] = counts.delete(key) ? 1 : 0`,
      [],
      [11n, 99n, 0n, 1n],
      `interface Key { a: u8; b: u64; c: u16 }
       export const counts = hash<Key, u64>(4)`,
    ],
    [
      'text as a key ends at its zero byte',
      `names.set('ab', 1); let t: char<8> = 'abcdef'; t = 'ab'; names.set(t, 2)
       output[0] = names.get('ab')?.value ?? 99; output[1] = names.get('abcdef')?.value ?? 98`,
      [],
      [2n, 98n],
      'export const names = hash<char<8>, u32>(4)',
    ],
    [
      'numbers in the order of the network keep their values',
      `const h: Header = { port: 443, address: 0x01020304, id: 0x0102030405060708n, flags: 1 }
       h.port += 1; h.address ^= 0xff; h.id = h.id + 1
       output[0] = h.port; output[1] = h.address; output[2] = h.id
       seen.set(h.port, h); const found = seen.get(444); if (!found) return 0
       output[3] = found.address; found.port--; output[4] = found.port; const { port, id } = found; output[5] = port; output[6] = id`,
      [],
      [444n, 0x010203fbn, 0x0102030405060709n, 0x010203fbn, 443n, 443n, 0x0102030405060709n],
      `interface Header { flags: u8; port: be16; address: be32; id: be64 }
       export const seen = hash<be16, Header>(2)`,
    ],
    [
      'signed members keep their signs in maps',
      `values.set(0, { a: -1, b: -300, c: -70000, d: -5000000000 })
       const v = values.get(0); if (!v) return 0
       output[0] = u64(v.a); output[1] = u64(v.b); output[2] = u64(v.c); output[3] = u64(v.d)
       v.a -= 1; v.c += -5; v.d >>= 1; output[4] = u64(v.a); output[5] = u64(v.c); output[6] = u64(v.d)`,
      [],
      [-1n, -300n, -70000n, -5000000000n, -2n, -70005n, -2500000000n].map(as64),
      `interface Signed { a: s8; b: s16; c: s32; d: s64 }
       export const values = array<Signed>(1)`,
    ],
    [
      'an index is taken modulo the length, whatever its sign',
      `const a: array<u16, 4> = [10, 11, 12, 13]; const i = s32(input[0])
       output[0] = a[i]; a[u8(input[1])] = 99; output[1] = a[1]; output[2] = a[s64(input[0]) - 1]; a[input[1]] += 1; output[3] = a[1]`,
      [as64(-1n), 0x105n],
      [13n, 99n, 12n, 100n],
    ],
    [
      'an array of structs by a variable',
      `const all: array<Pair, 4> = [{ a: 1, b: 2 }, { a: 3, b: 4 }, { a: 5, b: 6 }, { a: 7, b: 8 }]
       const one = all[u32(input[0])]; one.a += 10; output[0] = one.a; output[1] = all[2].a; output[2] = all[u32(input[0]) + 1].b
       swap(all[0], all[3]); output[3] = all[0].a * 10 + all[3].b`,
      [2n],
      [15n, 15n, 8n, 72n],
      `interface Pair { a: u8; b: u64 }
       function swap(x: Pair, y: Pair): void { const t: Pair = x; x.a = y.a; x.b = y.b; y.a = t.a; y.b = t.b; for (const i of range(2)) { if (x.a > 100) x.a = 0; if (y.a > 100) y.a = 0; if (x.b > 100) x.b = 0; if (y.b > 100) y.b = 0 } }`,
    ],
    [
      'a pointer gets another name, after it was compared',
      `pairs.set(0, { a: 4, b: 5 })
       const p = pairs.get(0); if (!p) return 0
       const q = p; q.a += 1; output[0] = p.a; const inner = q; output[1] = inner.b`,
      [],
      [5n, 5n],
      `interface Pair { a: u64; b: u64 }
       export const pairs = array<Pair>(1)`,
    ],
    [
      'a block has a variable of the same name as a pointer, and leaves a switch',
      `pairs.set(0, { a: 4, b: 5 }); const p = pairs.get(0); if (!p) return 0
       switch (u32(input[0])) { case 1: break; case 2: { const p: u64 = 7; if (p > input[1]) break; output[1] = p } default: output[2] = p.a }
       output[0] = p.b`,
      [2n, 9n],
      [5n, 7n, 4n],
      `interface Pair { a: u64; b: u64 }
       export const pairs = array<Pair>(1)`,
    ],
    [
      'text in a map is passed on as a whole',
      `texts.set(1, 'hello'); const t = texts.get(1); if (!t) return 0
       const e: Entry = { id: 3, name: t }; output[0] = e.name === 'hello' ? 1 : 0; others.set(2, { id: 1, name: t })
       const o = others.get(2); output[1] = o && o.name.startsWith('hell') ? 1 : 0; output[2] = t[4]`,
      [],
      [1n, 1n, 111n],
      `interface Entry { id: u32; name: char<12> }
       export const texts = hash<u32, char<8>>(2)
       export const others = hash<u32, Entry>(2)`,
    ],
    [
      'a map that is full, and entries that have to be new or there',
      `output[0] = small.set(1, 1) ? 1 : 0; output[1] = small.setNew(1, 2) ? 1 : 0; output[2] = small.setExisting(2, 2) ? 1 : 0
       output[3] = small.setNew(2, 5) ? 1 : 0; output[4] = small.add(3, 1) ? 1 : 0; output[5] = small.delete(1) && small.add(3, 4) ? 1 : 0
       output[6] = small.get(3)?.value ?? 77; output[7] = small.get(1)?.value ?? 77`,
      [],
      [1n, 0n, 0n, 1n, 0n, 1n, 4n, 77n],
      'export const small = hash<u32, u32>(2)',
    ],
    [
      'queues and stacks give back copies',
      `q.push({ a: 1, b: 2 }); q.push({ a: 3, b: 4 }); output[0] = q.push({ a: 5, b: 6 }) ? 1 : 0
       const first = q.peek(); if (!first) return 0
       first.a = 50; const again = q.pop(); if (!again) return 0
       output[1] = again.a; output[2] = first.a; const second = q.pop(); output[3] = second?.b ?? 9; output[4] = q.pop() ? 1 : 0`,
      [],
      [0n, 1n, 50n, 4n, 0n],
      `interface Pair { a: u8; b: u32 }
       export const q = queue<Pair>(2)`,
    ],
    [
      'the rounds of a range are indexes of an array of any length',
      `const a: array<u64, 5> = [1, 2, 4, 8, 16]; let sum: u64 = 0
       for (const i of range(5)) { a[i] *= 3; sum += a[i] }
       for (const i of range(u32(input[0]), 5)) sum += a[i] * 100
       output[0] = sum`,
      [2n],
      [93n + 900n],
    ],
    [
      'enums have the sizes of their values, with and without signs',
      `output[0] = Color.Blue; output[1] = u64(Temperature.Cold); const t: Temperature = Temperature.Cold; output[2] = u64(t); output[3] = t < 0 ? 1 : 0
       const c: Color = Color.Green; switch (c) { case Color.Red: output[4] = 1; break; case Color.Green: output[4] = 2 }`,
      [],
      [7n, as64(-40n), as64(-40n), 1n, 2n],
      `enum Color { Red, Green, Blue = 7 }
       enum Temperature { Cold = -40, Warm = 20 }`,
    ],
  ])

  it('a function with a callback is compiled for each kind of its arguments', () => {
    const body = `
      const own: Pair = { a: 1, b: 2 }
      const p = pairs.get(1)
      if (!p) return 0
      p.a = 30
      output[0] = sum(own) * 1000 + sum(p)`
    const declarations = `
      interface Pair { a: u64; b: u64 }
      export const pairs = array<Pair>(3)
      export let total = data<u64>(0)
      function sum(start: Pair): u64 {
        total = start.a
        pairs.forEach((key, value) => { total = total + value.a * (key.value + 1); if (total > 1000000) return 1; return 0 })
        for (const i of range(2)) { if (total > 500) total = total - 1; if (total > 600) total = total - 2 }
        return total
      }`
    const text = `${declarations}\nexport const output = data<array<u64, 8>>()\nexport const p = tcIngress(() => {${body}\nreturn 0\n})\nexport const license = 'GPL'`
    expect(() => compile(text)).not.toThrow()
  })

  requiresKernel('5.13', 'forEach goes over an array in order, and stops', () => {
    const declarations = `
      export const list = array<u64>(6)
      export let way = data<u64>(0)`
    const body = `
      for (const i of range(6)) list.set(i, i * i)
      output[0] = u64(list.forEach((key, value) => { way = way * 100 + value.value; value.value = 1; return key.value === 3 ? 1 : 0 }))
      output[1] = way; output[2] = list.get(3)?.value ?? 9; output[3] = list.get(4)?.value ?? 9`
    expect(runBoth(body, { declarations }).output.slice(0, 4)).toEqual([4n, 10409n, 1n, 16n])
  })

  requiresKernel(
    '6.4',
    'an array in a function that the kernel calls is not taken for the stack around it',
    () => {
      const declarations = `
      interface Named { n: u32; name: char<16> }
      export const list = array<u8>(2)`
      const body = `
      for (const j of range(u32(input[0]))) {
        list.forEach((key, value) => {
          const one: Named = { n: 1, name: 'ab' }
          for (const i of range(3)) {
            const x = one.name[u32(input[1])]
            one.name[value.value] = u8(i + x)
          }
          output[0] = output[0] + one.name[0]
          return 0
        })
      }`
      expect(runBoth(body, { declarations, input: [2n, 1n] }).output[0]).toBe(400n)
    },
  )

  it('a number that has no place in its operation is an error', () => {
    const program = (line: string): string =>
      `export let output = data<u64>(0)\nexport const p = syscall(() => { const x = u32(output); ${line}; return 0 })\nexport const license = 'GPL'`
    expect(() => compile(program('output = x < 0x1_0000_0000 ? 1 : 0'))).toThrow(
      /4294967296 does not fit u32/,
    )
    expect(() => compile(program('output = x + 0x1_0000_0000'))).toThrow(
      /Convert the other side first: u64\(x\)/,
    )
    expect(() => compile(program('output = u64(x) + 0x1_0000_0000; output = x & -4'))).not.toThrow()
  })
})

describe('packets', () => {
  const header = 'interface Header { kind: u8; list: array<u8, 4>; port: be16; rest: bytes<8> }'
  check([
    [
      'an element of a packet by a variable is read and written',
      `const h = packet.read<Header>(u32(input[0])); if (!h) return 0
       h.list[u32(input[1])] = 77; output[0] = h.list[2]; h.rest[input[1]] += 5; output[1] = h.rest[2]; output[2] = h.list[input[1] + 1]`,
      [20n, 2n],
      [77n, 5n, 0n],
      header,
    ],
    [
      'a bool is true whatever its byte is, if not 0, and 1 as a number',
      `const raw = packet.read<u8>(3); if (!raw) return 0
       raw.value = 200; const f = packet.read<Flags>(2); const g = packet.load<Flags>(2); if (!f || !g) return 0
       output[0] = u64(f.on); output[1] = f.on === true ? 1 : 0; output[2] = f.on ? 1 : 0; output[3] = f.on + g.on; output[4] = f.off ? 5 : u64(f.off)
       const copy: Flags = f; if (!copy.on) output[5] = 1; flags.set(0, f); output[6] = flags.get(0)?.on ?? 9; copy.off = f.on; output[7] = u64(copy.off) * 3`,
      [],
      [1n, 1n, 1n, 2n, 0n, 0n, 1n, 3n],
      `interface Flags { off: bool; on: bool }
       export const flags = array<Flags>(1)`,
    ],
    [
      'a struct in a packet is emitted as a whole',
      `const h = packet.read<Header>(20); if (!h) return 0
       output[0] = headers.emit(h) ? 1 : 0; if (packet.length > 1000) perf.emit(h)`,
      [],
      [1n],
      `${header}
       export const headers = ringbuf<Header>(4096)
       export const perf = perfEvents<Header>()`,
    ],
    [
      'a packet that ends before the struct does',
      `output[0] = packet.read<Header>(46) ? 1 : 0; output[1] = packet.read<Header>(48) ? 1 : 0; output[2] = packet.read<Header>(u32(input[0])) ? 1 : 0
       output[3] = packet.load<Header>(49) ? 1 : 0; output[4] = packet.length`,
      [0xffffffffn],
      [1n, 1n, 0n, 0n, 64n],
      header,
    ],
    [
      'a cursor goes on from where it was copied to',
      `const c = packet.cursor(2); const a = c.next<Header>(); const b = c.peek<Header>(); c.skip(1); const d = c.next<Header>()
       if (!a || !b || !d) return 0
       a.kind = 1; b.kind = 2; d.kind = 3; a.port = 0x1234
       const x = packet.read<Header>(18); const y = packet.read<Header>(19); const z = packet.read<u8>(8)
       output[0] = x?.kind ?? 9; output[1] = y?.kind ?? 9; output[2] = z?.value ?? 9`,
      [],
      [2n, 3n, 0x12n],
      header,
    ],
  ])
})
