// Programs as short as clang makes them: what is known is not computed, and what nobody reads is not there.
import { compile } from 'libbpf-node/kernel'
import { describe, expect, it } from 'vitest'

const head = `
export const input = data<array<u64, 8>>()
export let output = data<u64>(0)
interface Ethernet { to: bytes<6>; from: bytes<6>; type: be16 }
interface Pair { a: u32; b: u32 }
`

function instructions(body: string, options = {}): number {
  const text = `${head}export const p = tcIngress((packet) => {\n${body}\nreturn 0\n})\nexport const license = 'GPL'`
  return compile(text, options).programs[0]!.instructions
}

/** `return 0` takes two. A variable's address takes two, and so do loading it and storing a number in it. */
describe('the number of instructions', () => {
  it.each<[string, string, number]>([
    ['nothing', '', 2],
    ['constants', 'const x: u32 = 3; const y: u32 = x * 4 + 2; output = y - 14', 5],
    ['what nobody reads', 'const x = input[0] * 3; let y: u64 = x; y += 1', 2],
    ['the same computed twice', 'output = (input[0] + input[1]) * (input[0] + input[1])', 11],
    ['powers of two', 'output = input[0] / 16 + input[1] % 8', 12],
    ['a struct that is taken apart at once', 'const p: Pair = { a: 1, b: 2 }; output = p.a + p.b', 5],
    ['a condition that is known', 'const debug = false; if (debug) output = input[0]', 2],
    ['a condition in a variable', 'const both = input[0] > 3 && input[1] > 3; if (both) output = 1', 11],
    ['a cut that a store makes anyway', 'const p = zero<array<u8, 8>>(); output = u64(u8(input[0]))', 9],
    [
      'a packet',
      'const eth = packet.read<Ethernet>(0); if (!eth || eth.type !== 0x800) return 0; output = 1',
      12,
    ],
  ])('%s', (_, body, most) => {
    expect(instructions(body)).toBeLessThanOrEqual(most)
  })

  it('does not depend on when a program is compiled', () => {
    const text = `${head}export const p = tcIngress(() => { output = input[0] ^ input[1]; return 0 })`
    expect(compile(text).object).toEqual(compile(text).object)
  })
})
