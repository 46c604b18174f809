// Replaces arithmetic by simpler operations.
import type { AluOperation, Operation, Reg } from './ir.js'

export type Alu = Extract<Operation, { op: 'alu' }>

/** What is known about registers. */
interface Known {
  readonly value: (reg: Reg) => bigint | undefined
  /** How many of its low bits may be set. */
  readonly bits: (reg: Reg) => number
  readonly def: (reg: Reg) => Operation | undefined
}

export const bitsOfValue = (value: bigint): number => value.toString(2).length

const isCommutative = (operation: AluOperation): boolean =>
  ['add', 'mul', 'and', 'or', 'xor'].includes(operation)

const fits = (value: bigint): boolean => value === BigInt.asIntN(32, value)

/** The same result by a simpler operation. */
export function simplifyAlu(operation: Alu, known: Known): Operation {
  const { d, at, bits } = operation
  let { a, b } = operation
  const kind = operation.operation
  const copy: Operation = { op: 'move', d, s: a, bits: bits === 32 && known.bits(a) > 32 ? 32 : 64, at }
  if ('reg' in b) {
    const [left, right] = [known.value(a), known.value(b.reg)]
    if (left === 0n && !['add', 'sub', 'or', 'xor'].includes(kind)) return { op: 'const', d, value: 0n, at }
    if (left === 0n && kind === 'sub') return { op: 'neg', d, a: b.reg, bits, at }
    if (left !== undefined && right === undefined && isCommutative(kind)) [a, b] = [b.reg, { reg: a }]
  }
  const value = 'reg' in b ? known.value(b.reg) : BigInt(b.imm)
  if (value === undefined) {
    const isSame = 'reg' in b && b.reg === a
    if (isSame && (kind === 'sub' || kind === 'xor')) return { op: 'const', d, value: 0n, at }
    if (isSame && (kind === 'and' || kind === 'or')) return copy
    return a === operation.a ? operation : { ...operation, a, b }
  }
  // The kernel accepts no immediate that shifts too far, and none that divides by zero.
  const counted = kind.endsWith('sh') ? BigInt(Number(BigInt.asUintN(6, value)) & (bits - 1)) : value
  const signed = BigInt.asIntN(bits, counted)
  const unsigned = BigInt.asUintN(bits, counted)
  const own = { ...copy, s: a, bits: bits === 32 && known.bits(a) > 32 ? 32 : 64 } as Operation
  const power = unsigned > 0n && (unsigned & (unsigned - 1n)) === 0n ? bitsOfValue(unsigned) - 1 : undefined
  const by = (operation: AluOperation, imm: number): Operation => ({
    op: 'alu',
    operation,
    bits,
    d,
    a,
    b: { imm },
    at,
  })
  const zero: Operation = { op: 'const', d, value: 0n, at }
  switch (kind) {
    case 'add':
    case 'sub': {
      if (unsigned === 0n) return own
      // Two additions of constants are one.
      const inner = known.def(a)
      const sum = kind === 'sub' ? -signed : signed
      if (
        inner?.op === 'alu' &&
        inner.operation === 'add' &&
        inner.bits === bits &&
        inner.core === undefined
      ) {
        const imm = 'imm' in inner.b ? sum + BigInt(inner.b.imm) : undefined
        if (imm !== undefined && fits(imm))
          return {
            ...by('add', Number(imm)),
            a: inner.a,
            ...(operation.isEdge && { isEdge: true }),
          } as Operation
      }
      if (kind === 'sub' && fits(-signed)) return by('add', Number(-signed))
      break
    }
    case 'or':
    case 'xor':
    case 'lsh':
    case 'rsh':
    case 'arsh':
      if (unsigned === 0n) return own
      if (kind === 'arsh' && known.bits(a) < bits) return by('rsh', Number(unsigned))
      if (kind === 'rsh' && known.bits(a) <= Number(unsigned)) return zero
      if (kind === 'rsh') {
        const byte = byteOfTruth(operation, known)
        if (byte !== undefined && known.bits(byte) === 1) return { op: 'move', d, s: byte, bits: 64, at }
      }
      break
    case 'mul':
      if (unsigned === 0n) return zero
      if (unsigned === 1n) return own
      if (power !== undefined) return by('lsh', power)
      break
    case 'div':
      if (unsigned === 0n) return zero
      if (unsigned === 1n) return own
      if (power !== undefined) return by('rsh', power)
      break
    case 'sdiv':
      if (unsigned === 0n) return zero
      if (unsigned === 1n) return own
      break
    case 'smod':
      if (unsigned === 0n) return own
      if (unsigned === 1n) return zero
      break
    case 'mod':
      if (unsigned === 0n) return own
      if (power !== undefined && fits(unsigned - 1n)) return by('and', Number(unsigned - 1n))
      break
    case 'and': {
      if (unsigned === 0n) return zero
      const width = bitsOfValue(unsigned)
      if (unsigned === (1n << BigInt(width)) - 1n && known.bits(a) <= width) return own
      break
    }
  }
  const isFolded = fits(signed) && ('reg' in b || BigInt(b.imm) !== signed)
  if (!isFolded) return a === operation.a ? operation : { ...operation, a, b }
  return { ...operation, a, b: { imm: Number(signed) } }
}

/** The byte that an operation turns into a bool, as Builder.loaded does: 1 if it is not 0. */
export function byteOfTruth(operation: Operation | undefined, known: Omit<Known, 'value'>): Reg | undefined {
  if (operation?.op !== 'alu' || operation.operation !== 'rsh') return undefined
  if (!('imm' in operation.b) || operation.b.imm !== 8) return undefined
  const sum = known.def(operation.a)
  if (sum?.op !== 'alu' || sum.operation !== 'add' || !('imm' in sum.b) || sum.b.imm !== 255) return undefined
  return known.bits(sum.a) <= 8 ? sum.a : undefined
}

/**
 * How many of the low bits of a result may be set, as far as the verifier sees it: a mask that it needs has to stay.
 */
export function bitsOfAlu({ operation, bits, a, b }: Alu, known: (reg: Reg) => number): number {
  const left = Math.min(bits, known(a))
  const right = 'reg' in b ? Math.min(bits, known(b.reg)) : b.imm < 0 ? bits : bitsOfValue(BigInt(b.imm))
  const shift = 'imm' in b ? b.imm & (bits - 1) : undefined
  switch (operation) {
    case 'and':
      return Math.min(left, right)
    case 'or':
    case 'xor':
      return Math.max(left, right)
    case 'add':
      return Math.min(bits, Math.max(left, right) + 1)
    case 'mul':
      return Math.min(bits, left + right)
    case 'rsh':
      return shift === undefined ? bits : Math.max(0, left - shift)
    case 'lsh':
      return shift === undefined ? bits : Math.min(bits, left + shift)
    default:
      return bits
  }
}
