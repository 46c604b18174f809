import { CompileError, compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'
import { runBoth } from './run.js'

/** A function that is large enough not to be written in the place of its calls. */
const mix = `
function mix(a: u64, b: u32): u64 {
  let x: u64 = a
  for (const i of range(4)) {
    x = (x ^ (x >>> 13)) * 0x9e3779b1
    if (x & 1) x += b
    else x -= b
    x = x ^ (x << 7)
  }
  return x
}
`
const mixed = (a: bigint, b: bigint): bigint => {
  let x = a
  const cut = (value: bigint) => BigInt.asUintN(64, value)
  for (let i = 0; i < 4; i++) {
    x = cut((x ^ (x >> 13n)) * 0x9e3779b1n)
    x = cut(x & 1n ? x + b : x - b)
    x = cut(x ^ cut(x << 7n))
  }
  return x
}

describe('functions of a program', () => {
  it('become subprograms if they are large and called more than once', () => {
    const { output, result } = runBoth(
      `output[0] = mix(input[0], 3); output[1] = mix(input[1], u32(input[2]))`,
      {
        declarations: mix,
        input: [12345n, 99n, 7n],
      },
    )
    expect(output.slice(0, 2)).toEqual([mixed(12345n, 3n), mixed(99n, 7n)])
    const once = compile(
      `export let output = data<u64>(0)\n${mix}export const p = syscall(() => { output = mix(1, 2); return 0 })\nexport const license = 'GPL'`,
    )
    expect(result.programs[0]!.instructions).toBeLessThan(once.programs[0]!.instructions)
  })

  it('take pointers into maps, records and the stack', () => {
    const declarations = `
      interface Pair { a: u64; b: u64 }
      export const pairs = array<Pair>(2)
      function fold(pair: Pair, factor: u64): u64 {
        let sum: u64 = 0
        for (const i of range(3)) {
          if (pair.a > pair.b) sum += pair.a * factor
          else sum += pair.b * factor
          pair.a = pair.a + 1
          pair.b = pair.b ^ sum
        }
        return sum
      }`
    const body = `
      const own: Pair = { a: input[0], b: input[1] }
      output[0] = fold(own, 2)
      const first = pairs.get(0)
      if (!first) return 0
      first.a = input[0]
      first.b = input[1]
      output[1] = fold(first, 2)
      output[2] = own.a
      output[3] = first.b`
    const { output } = runBoth(body, { declarations, input: [10n, 20n] })
    expect(output[0]).toBe(output[1])
    expect(output[2]).toBe(13n)
    expect(output[0]).toBeGreaterThan(0n)
  })

  it('give back a record for their caller', () => {
    const declarations = `
      interface Event { value: u64 }
      export const events = ringbuf<Event>(4096)
      function finish(event: Event, value: u64): void {
        if (value > 100) {
          events.discard(event)
          return
        }
        event.value = value
        events.submit(event)
      }`
    const body = `
      const event = events.reserve()
      if (!event) return 0
      finish(event, input[0])
      output[0] = 1`
    expect(runBoth(body, { declarations, input: [7n] }).output[0]).toBe(1n)
  })

  it('get all of their numbers if other programs may replace them', () => {
    const declarations = `
      export const fold = globalFunction((a: s64, isSet: bool, b: u8, c: bool, d: s16): s64 =>
        a * 10000 + (isSet ? 1000 : 2000) + b * 10 + (c ? 100 : 200) + d)`
    const body = `
      output[0] = u64(fold(s64(input[0]), bool(input[1]), u8(input[2]), bool(input[3]), s16(input[4])))
      output[1] = u64(fold(-1, input[1] === 0, 9, input[3] !== 0, -7))`
    const { output } = runBoth(body, { declarations, input: [3n, 256n, 7n, 0n, 5n] })
    expect(output.slice(0, 2).map((value) => BigInt.asIntN(64, value))).toEqual([31275n, -7717n])
  })

  it('may not need more stack together than the kernel has', () => {
    const text = `
      interface Big { a: array<u64, 40> }
      export let output = data<u64>(0)
      function large(x: u64): u64 {
        const big: Big = zero()
        for (const i of range(40)) big.a[i] = x * i
        let sum: u64 = 0
        for (const i of range(40)) sum += big.a[i] ^ x
        return sum + (x << 3) - (x >> 2) + (x & 7) * (x | 1)
      }
      export const p = syscall(() => {
        const own: Big = zero()
        for (const i of range(40)) own.a[i] = i
        output = large(own.a[3]) + large(own.a[4])
        return 0
      })`
    expect(() => compile(text)).toThrow(CompileError)
    expect(() => compile(text)).toThrow(
      /this needs \d+ bytes of stack with the functions that it calls, and the kernel has 512/,
    )
  })
})
