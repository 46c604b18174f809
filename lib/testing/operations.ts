// What each operation does to 64-bit numbers, with BigInt: the reference that compiled programs are compared with.
import { atomicOperations, jumpOperations } from '../asm/isa.js'

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)
const byNumber = <T extends string>(names: Readonly<Record<T, number>>): (T | undefined)[] => {
  const list: (T | undefined)[] = []
  for (const [name, number] of Object.entries(names) as [T, number][]) list[number >> 4] = name
  return list
}
const jumpNames = byNumber(jumpOperations)

/** Reverses the order of the low `bits / 8` bytes, and clears the others. */
export function swapBytes(value: bigint, bits: number): bigint {
  let left = BigInt.asUintN(bits, value)
  let swapped = 0n
  for (let i = 0; i < bits; i += 8) {
    swapped = (swapped << 8n) | (left & 0xffn)
    left >>= 8n
  }
  return swapped
}

/** Whether a conditional jump is taken. */
export function compares(code: number, bits: 32 | 64, left: bigint, right: bigint): boolean {
  const [a, b] = [BigInt.asUintN(bits, left), BigInt.asUintN(bits, right)]
  const [sa, sb] = [BigInt.asIntN(bits, left), BigInt.asIntN(bits, right)]
  switch (jumpNames[code >> 4]) {
    case 'jeq':
      return a === b
    case 'jne':
      return a !== b
    case 'jgt':
      return a > b
    case 'jge':
      return a >= b
    case 'jlt':
      return a < b
    case 'jle':
      return a <= b
    case 'jsgt':
      return sa > sb
    case 'jsge':
      return sa >= sb
    case 'jslt':
      return sa < sb
    case 'jsle':
      return sa <= sb
    case 'jset':
      return (a & b) !== 0n
    default:
      throw new RangeError(`jump 0x${code.toString(16)} does not exist`)
  }
}

/** The value that an atomic operation leaves in memory. */
export function atomicResult(
  operation: number,
  bits: 32 | 64,
  old: bigint,
  source: bigint,
  expected: bigint,
): bigint {
  const cut = (value: bigint): bigint => BigInt.asUintN(bits, value)
  switch (operation & ~1) {
    case atomicOperations.add:
      return cut(old + source)
    case atomicOperations.or:
      return old | cut(source)
    case atomicOperations.and:
      return old & cut(source)
    case atomicOperations.xor:
      return old ^ cut(source)
    case atomicOperations.xchg & ~1:
      return cut(source)
    case atomicOperations.cmpxchg & ~1:
      return old === cut(expected) ? cut(source) : old
    default:
      throw new RangeError(`atomic operation 0x${operation.toString(16)} does not exist`)
  }
}

export { u64 }
