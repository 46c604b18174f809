// The types of random programs, with C's sizes and rules, written anew from docs/kernel-side.md: what the compiler is compared with shares nothing with it.

export interface Int {
  readonly kind: 'int'
  readonly name: string
  readonly bits: number
  readonly signed: boolean
  /** In the network's byte order in memory. */
  readonly big: boolean
}

export interface Chars {
  readonly kind: 'chars'
  readonly length: number
}

export interface ArrayOf {
  readonly kind: 'array'
  readonly of: Type
  readonly length: number
  /** Written as `bytes`. */
  readonly isBytes?: boolean
}

export interface Struct {
  readonly kind: 'struct'
  readonly name: string
  readonly members: readonly { readonly name: string; readonly type: Type; readonly offset: number }[]
  readonly size: number
  readonly align: number
}

export type Type = Int | Chars | ArrayOf | Struct

const int = (name: string, bits: number, signed: boolean, big = false): Int => ({
  kind: 'int',
  name,
  bits,
  signed,
  big,
})

export const numbers: readonly Int[] = [8, 16, 32, 64].flatMap((bits) => [
  int(`u${bits}`, bits, false),
  int(`s${bits}`, bits, true),
])
export const networkNumbers: readonly Int[] = [16, 32, 64].map((bits) => int(`be${bits}`, bits, false, true))
export const bool = int('bool', 8, false)
export const numberNamed = (name: string): Int => numbers.find((type) => type.name === name)!
export const u8 = numberNamed('u8')
export const u16 = numberNamed('u16')
export const u32 = numberNamed('u32')
export const u64 = numberNamed('u64')
export const s64 = numberNamed('s64')

export function wrap({ name, bits, signed }: Int, value: bigint): bigint {
  if (name === 'bool') return value === 0n ? 0n : 1n
  return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)
}

/** What a number is once it has been read: the network's byte order is one of memory only. */
export const readAs = (type: Int): Int => (type.big ? numberNamed(`u${type.bits}`) : type)

export function promoted(type: Int): Int {
  if (type.bits < 32) return numberNamed(type.signed ? 's32' : 'u32')
  return readAs(type)
}

export function common(a: Int, b: Int): Int {
  const [x, y] = [promoted(a), promoted(b)]
  if (x.bits !== y.bits) return x.bits > y.bits ? x : y
  return x.signed ? y : x
}

export function compute(operator: string, type: Int, left: bigint, right: bigint): bigint {
  const [a, b] = [wrap(type, left), wrap(type, right)]
  const shift = BigInt.asUintN(64, right) & BigInt(type.bits - 1)
  switch (operator) {
    case '+':
      return wrap(type, a + b)
    case '-':
      return wrap(type, a - b)
    case '*':
      return wrap(type, a * b)
    case '/':
      return b === 0n ? 0n : wrap(type, a / b)
    case '%':
      return b === 0n ? a : wrap(type, a % b)
    case '&':
      return wrap(type, a & b)
    case '|':
      return wrap(type, a | b)
    case '^':
      return wrap(type, a ^ b)
    case '<<':
      return wrap(type, a << shift)
    case '>>':
      return wrap(type, a >> shift)
    default:
      return wrap(type, BigInt.asUintN(type.bits, a) >> shift)
  }
}

export function compare(operator: string, a: bigint, b: bigint): boolean {
  switch (operator) {
    case '<':
      return a < b
    case '<=':
      return a <= b
    case '>':
      return a > b
    case '>=':
      return a >= b
    case '===':
      return a === b
    default:
      return a !== b
  }
}

/** The checksum of the internet protocols: the sum of 16-bit numbers with the carry added again, turned around. */
export function complement(words: readonly number[]): bigint {
  let sum = words.reduce((sum, word) => sum + word, 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return BigInt(0xffff ^ sum)
}

// ---- Memory

export function sizeOf(type: Type): number {
  switch (type.kind) {
    case 'int':
      return type.bits / 8
    case 'chars':
      return type.length
    case 'array':
      return sizeOf(type.of) * type.length
    case 'struct':
      return type.size
  }
}

function alignOf(type: Type): number {
  switch (type.kind) {
    case 'int':
      return type.bits / 8
    case 'chars':
      return 1
    case 'array':
      return alignOf(type.of)
    case 'struct':
      return type.align
  }
}

export function struct(name: string, types: Readonly<Record<string, Type>>): Struct {
  let end = 0
  let align = 1
  const members = Object.entries(types).map(([name, type]) => {
    const own = alignOf(type)
    const offset = Math.ceil(end / own) * own
    end = offset + sizeOf(type)
    align = Math.max(align, own)
    return { name, type, offset }
  })
  return { kind: 'struct', name, members, size: Math.ceil(end / align) * align, align }
}

/** The type as programs write it. */
export function written(type: Type): string {
  switch (type.kind) {
    case 'chars':
      return `char<${type.length}>`
    case 'array':
      return type.isBytes ? `bytes<${type.length}>` : `array<${written(type.of)}, ${type.length}>`
    default:
      return type.name
  }
}

/** A place in memory. */
export interface Ref {
  readonly bytes: Uint8Array
  readonly at: number
}

export function load({ bytes, at }: Ref, type: Int): bigint {
  let value = 0n
  const size = type.bits / 8
  for (let i = 0; i < size; i++) value |= BigInt(bytes[at + i]!) << BigInt(8 * (type.big ? size - 1 - i : i))
  return wrap(type, value)
}

export function store({ bytes, at }: Ref, type: Int, value: bigint): void {
  const size = type.bits / 8
  const number = BigInt.asUintN(type.bits, wrap(type, value))
  for (let i = 0; i < size; i++)
    bytes[at + i] = Number((number >> BigInt(8 * (type.big ? size - 1 - i : i))) & 0xffn)
}

export const copyOf = ({ bytes, at }: Ref, size: number): Uint8Array => bytes.slice(at, at + size)
