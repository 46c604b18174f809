// Writes WebAssembly modules: just what programs need of them.
import { concat } from '../asm/strings.js'

export const i32 = 0x7f
export const i64 = 0x7e
export type ValueType = typeof i32 | typeof i64

/** Opcodes by the names of WebAssembly's text form. */
export const op = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  br_if: 0x0d,
  br_table: 0x0e,
  return: 0x0f,
  call: 0x10,
  'local.get': 0x20,
  'local.set': 0x21,
  'local.tee': 0x22,
  'i32.load': 0x28,
  'i64.load': 0x29,
  'i32.load8_u': 0x2d,
  'i32.load16_u': 0x2f,
  'i64.load8_u': 0x31,
  'i64.load16_u': 0x33,
  'i64.load32_u': 0x35,
  'i32.store': 0x36,
  'i64.store': 0x37,
  'i64.store8': 0x3c,
  'i64.store16': 0x3d,
  'i64.store32': 0x3e,
  'i32.const': 0x41,
  'i64.const': 0x42,
  'i32.eqz': 0x45,
  'i32.eq': 0x46,
  'i32.ne': 0x47,
  'i32.lt_s': 0x48,
  'i32.lt_u': 0x49,
  'i32.gt_s': 0x4a,
  'i32.gt_u': 0x4b,
  'i32.le_s': 0x4c,
  'i32.le_u': 0x4d,
  'i32.ge_s': 0x4e,
  'i32.ge_u': 0x4f,
  'i64.eqz': 0x50,
  'i64.eq': 0x51,
  'i64.ne': 0x52,
  'i64.lt_s': 0x53,
  'i64.lt_u': 0x54,
  'i64.gt_s': 0x55,
  'i64.gt_u': 0x56,
  'i64.le_s': 0x57,
  'i64.le_u': 0x58,
  'i64.ge_s': 0x59,
  'i64.ge_u': 0x5a,
  'i32.add': 0x6a,
  'i32.sub': 0x6b,
  'i32.mul': 0x6c,
  'i32.div_s': 0x6d,
  'i32.div_u': 0x6e,
  'i32.rem_s': 0x6f,
  'i32.rem_u': 0x70,
  'i32.and': 0x71,
  'i32.or': 0x72,
  'i32.xor': 0x73,
  'i32.shl': 0x74,
  'i32.shr_s': 0x75,
  'i32.shr_u': 0x76,
  'i64.add': 0x7c,
  'i64.sub': 0x7d,
  'i64.mul': 0x7e,
  'i64.div_s': 0x7f,
  'i64.div_u': 0x80,
  'i64.rem_s': 0x81,
  'i64.rem_u': 0x82,
  'i64.and': 0x83,
  'i64.or': 0x84,
  'i64.xor': 0x85,
  'i64.shl': 0x86,
  'i64.shr_s': 0x87,
  'i64.shr_u': 0x88,
  'i64.rotl': 0x89,
  'i32.wrap_i64': 0xa7,
  'i64.extend_i32_u': 0xad,
  'i32.extend8_s': 0xc0,
  'i32.extend16_s': 0xc1,
  'i64.extend8_s': 0xc2,
  'i64.extend16_s': 0xc3,
  'i64.extend32_s': 0xc4,
} as const
export type OpName = keyof typeof op

const noResult = 0x40

export interface Signature {
  readonly parameters: readonly ValueType[]
  readonly results: readonly ValueType[]
}

/** The instructions of one function. */
export class Code {
  readonly bytes: number[] = []

  /** An instruction without operands of its own, or several. */
  do(...names: OpName[]): this {
    for (const name of names) this.bytes.push(op[name])
    return this
  }

  get(local: number): this {
    this.bytes.push(op['local.get'], ...unsigned(local))
    return this
  }

  set(local: number): this {
    this.bytes.push(op['local.set'], ...unsigned(local))
    return this
  }

  tee(local: number): this {
    this.bytes.push(op['local.tee'], ...unsigned(local))
    return this
  }

  i32(value: number): this {
    this.bytes.push(op['i32.const'], ...signed(BigInt(value | 0)))
    return this
  }

  i64(value: bigint): this {
    this.bytes.push(op['i64.const'], ...signed(BigInt.asIntN(64, value)))
    return this
  }

  /** A load or store at the address on the stack, plus `offset`. */
  memory(name: OpName, offset = 0): this {
    this.bytes.push(op[name], 0, ...unsigned(offset))
    return this
  }

  call(index: number): this {
    this.bytes.push(op.call, ...unsigned(index))
    return this
  }

  branch(name: 'br' | 'br_if', depth: number): this {
    this.bytes.push(op[name], ...unsigned(depth))
    return this
  }

  table(depths: readonly number[], other: number): this {
    this.bytes.push(op.br_table, ...unsigned(depths.length), ...depths.flatMap(unsigned), ...unsigned(other))
    return this
  }

  begin(name: 'block' | 'loop' | 'if', result?: ValueType): this {
    this.bytes.push(op[name], result ?? noResult)
    return this
  }

  end(): this {
    this.bytes.push(op.end)
    return this
  }
}

export interface FunctionCode {
  readonly signature: Signature
  readonly locals: readonly ValueType[]
  readonly code: Code
}

/**
 * A module with an imported memory `m.memory`, imported functions `m.0`, `m.1`, ..., and functions exported as `0`,
 * `1`, ...
 */
export function writeModule(imports: readonly Signature[], functions: readonly FunctionCode[]): Uint8Array {
  const signatures: string[] = []
  const typeOf = (signature: Signature): number => {
    const key = JSON.stringify(signature)
    const known = signatures.indexOf(key)
    return known >= 0 ? known : signatures.push(key) - 1
  }
  const importTypes = imports.map(typeOf)
  const functionTypes = functions.map(({ signature }) => typeOf(signature))
  const types = signatures.map((key) => {
    const { parameters, results } = JSON.parse(key) as Signature
    return [0x60, ...vector(parameters), ...vector(results)]
  })
  return concat([
    Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0),
    ...section(1, types),
    ...section(2, [
      [...name('m'), ...name('memory'), 0x02, 0x00, 0x01],
      ...importTypes.map((type, i) => [...name('m'), ...name(String(i)), 0x00, ...unsigned(type)]),
    ]),
    ...section(3, functionTypes.map(unsigned)),
    ...section(
      7,
      functions.map((_, i) => [...name(String(i)), 0x00, ...unsigned(imports.length + i)]),
    ),
    ...section(10, functions.map(functionBody)),
  ])
}

function functionBody({ locals, code }: FunctionCode): Uint8Array {
  const declared = [...unsigned(locals.length), ...locals.flatMap((type) => [1, type])]
  const size = unsigned(declared.length + code.bytes.length + 1)
  return concat([Uint8Array.from([...size, ...declared]), Uint8Array.from(code.bytes), Uint8Array.of(op.end)])
}

/** The parts of a section: its number, its size, and its items, preceded by their count. */
function section(id: number, items: readonly ArrayLike<number>[]): Uint8Array[] {
  const count = unsigned(items.length)
  const size = items.reduce((sum, { length }) => sum + length, count.length)
  return [Uint8Array.from([id, ...unsigned(size), ...count]), ...items.map((item) => Uint8Array.from(item))]
}

/** Bytes, preceded by their count. */
const vector = (bytes: ArrayLike<number>): number[] => [...unsigned(bytes.length), ...Array.from(bytes)]
const name = (text: string): number[] => vector(new TextEncoder().encode(text))

/** LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = []
  do {
    const low = value & 0x7f
    value >>>= 7
    bytes.push(value === 0 ? low : low | 0x80)
  } while (value !== 0)
  return bytes
}

function signed(value: bigint): number[] {
  if (value >= -64n && value < 64n) return [Number(value) & 0x7f]
  const bytes: number[] = []
  for (;;) {
    const low = Number(value & 0x7fn)
    value >>= 7n
    const isLast = (value === 0n && (low & 0x40) === 0) || (value === -1n && (low & 0x40) !== 0)
    bytes.push(isLast ? low : low | 0x80)
    if (isLast) return bytes
  }
}
