import { aluOperations } from './isa.js'

const names: string[] = []
for (const [name, number] of Object.entries(aluOperations)) names[number >> 4] = name

/**
 * Computes an arithmetic instruction on the low 32 or 64 bits. The upper bits of the result are zero.
 *
 * @param code - the opcode
 * @param offset - of the instruction: 1 makes division signed, 8, 16 and 32 extend a move's sign
 */
export function alu(code: number, bits: 32 | 64, left: bigint, right: bigint, offset: number): bigint {
  const unsigned = (value: bigint): bigint => BigInt.asUintN(bits, value)
  const signed = (value: bigint): bigint => BigInt.asIntN(bits, value)
  const [a, b] = [unsigned(left), unsigned(right)]
  const shift = b & BigInt(bits - 1)
  switch (names[code >> 4]) {
    case 'add':
      return unsigned(a + b)
    case 'sub':
      return unsigned(a - b)
    case 'mul':
      return unsigned(a * b)
    case 'div':
      if (b === 0n) return 0n
      return offset === 1 ? unsigned(signed(a) / signed(b)) : a / b
    case 'mod':
      if (b === 0n) return a
      return offset === 1 ? unsigned(signed(a) % signed(b)) : a % b
    case 'or':
      return a | b
    case 'and':
      return a & b
    case 'xor':
      return a ^ b
    case 'lsh':
      return unsigned(a << shift)
    case 'rsh':
      return a >> shift
    case 'arsh':
      return unsigned(signed(a) >> shift)
    case 'neg':
      return unsigned(-a)
    case 'mov':
      return offset === 0 || offset === 1 ? b : unsigned(BigInt.asIntN(offset, b))
    default:
      throw new RangeError(`operation 0x${code.toString(16)} does not exist`)
  }
}
