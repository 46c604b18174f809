// Numbers that are known before the program runs. A literal has no type; u32(1) has one, and is computed in it.
import { bitsOf, commonOf, type IntType, promoted } from './types.js'

export interface Constant {
  readonly value: bigint
  readonly type?: IntType
}

const wrapped = (type: IntType, value: bigint): bigint =>
  type.signed ? BigInt.asIntN(bitsOf(type), value) : BigInt.asUintN(bitsOf(type), value)

/** `u32(x)` */
export function converted(type: IntType, value: bigint): Constant {
  if (type.name === 'bool') return { value: value === 0n ? 0n : 1n, type }
  return { value: wrapped(type, value), type }
}

export function computeUnary(operator: string, { value, type }: Constant): Constant | undefined {
  const result = { '-': -value, '+': value, '~': ~value }[operator]
  if (result === undefined || type === undefined) return result === undefined ? undefined : { value: result }
  return operator === '+' ? { value, type } : converted(promoted(type), result)
}

/** Undefined if there is no result, or if a number does not fit the type of the other one. */
export function computeBinary(operator: string, a: Constant, b: Constant): Constant | undefined {
  const isShift = operator === '<<' || operator === '>>'
  const type = isShift ? a.type && promoted(a.type) : commonOf(a.type, b.type)
  if (type === undefined) {
    const value = compute(operator, a.value, b.value)
    return value === undefined ? undefined : { value }
  }
  const bits = BigInt(type.size * 8)
  const hasPlace = ({ value }: Constant): boolean => value >= -(1n << (bits - 1n)) && value < 1n << bits
  if (!hasPlace(a) || (isShift ? b.value >= bits : !hasPlace(b))) return undefined
  const value = compute(operator, wrapped(type, a.value), isShift ? b.value : wrapped(type, b.value))
  return value === undefined ? undefined : converted(type, value)
}

/** Without a type, numbers have any size, so only what does not depend on one is computed. */
function compute(operator: string, a: bigint, b: bigint): bigint | undefined {
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
      return b === 0n ? undefined : a / b
    case '%':
      return b === 0n ? undefined : a % b
    case '&':
      return a & b
    case '|':
      return a | b
    case '^':
      return a ^ b
    case '<<':
      return b >= 0n && b < 64n ? a << b : undefined
    case '>>':
      return b >= 0n && b < 64n ? a >> b : undefined
    default:
      return undefined
  }
}
