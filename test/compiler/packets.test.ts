import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'

const program = (index: string): string => `
  interface Slots { first: u8; slots: array<u8, 4> }
  export let found = data<u64>(0)
  export const wanted = data<u64>(9)
  export const p = tcIngress((packet) => {
    const at = u32(wanted & 31)
    const read = packet.read<Slots>(at)
    if (read === null) return 0
    ${index}
    return 0
  })
  export const license = 'GPL'`

/** In the emulator and in the kernel. */
function expectFound(object: Uint8Array, packet: Uint8Array, expected: bigint): void {
  const emulator = Emulator.open(object)
  emulator.program('p').run({ packet })
  expect(emulator.get('found')).toBe(expected)
  using opened = BpfObject.open(object)
  opened.loadSync()
  opened.program('p').testRunSync({ data: packet })
  expect(opened.data.found).toBe(expected)
}

describe('an array in the packet', () => {
  const packet = Uint8Array.from({ length: 64 }, (_, i) => i)
  // The verifier does not know these numbers, even if they stay within the array.
  it.each([
    ['any number', 'found = read.slots[u32(wanted)]', 9n + 1n + (9n & 3n)],
    ['the highest bit of a number', 'found = read.slots[log2(wanted, 3)]', 9n + 1n + 3n],
    ['the variable of a range', 'for (const i of range(4)) found += read.slots[i]', 4n * 10n + 6n],
    [
      'that of a range that is as long as a number',
      'for (const i of range(u32(wanted), 3)) found += read.slots[i]',
      33n,
    ],
  ])('is indexed by %s', (_, index, expected) => {
    const { object } = compile(program(index))
    expectFound(object, packet, expected)
  })
})

describe('two structs in the packet', () => {
  it('are read where one ends and the other begins, whether there is room for the first or not', () => {
    const { object } = compile(`
      interface Head { kind: u8; id: u32 }
      interface Tail { first: u8; slots: array<u8, 16> }
      export let found = data<u64>(0)
      export const p = tcIngress((packet) => {
        const tail = packet.read<Tail>(12)
        if (!tail) return 0
        const head = packet.read<Head>(4)
        if (head !== null) found = head.id
        tail.slots[packet.length] = 200
        found += tail.slots[0]
        return 0
      })
      export const license = 'GPL'`)
    const packet = Uint8Array.from({ length: 64 }, (_, i) => i)
    const expected = 0x0b0a0908n + 200n
    expectFound(object, packet, expected)
  })
})
