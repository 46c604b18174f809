// log2(value): the index of the highest bit that is set.
import type { ExpressionCompiler } from './expressions.js'
import type { AluOperation, Operand, Reg } from './ir.js'
import type { ast } from './syntax.js'
import { integerOf, u32 } from './types.js'
import type { Scope, Value } from './values.js'

/**
 * Halves the number until one bit is left, without a jump: the verifier knows how large the result can be, and does not
 * follow a path for each value.
 */
export function log2(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const [given, most, ...more] = node.arguments as ast.Expression[]
  if (given === undefined || more.length > 0)
    compiler.source.fail(
      node,
      'log2 needs one number, and the largest result as a second argument, if you like',
      'Write log2(value).',
    )
  const limit = most === undefined ? undefined : constantLimit(compiler, most)
  const value = compiler.numeric(given, scope)
  if (value.kind === 'constant') {
    const bits = value.value < 2n ? 0 : value.value.toString(2).length - 1
    return { kind: 'constant', value: BigInt(Math.min(bits, limit ?? bits)) }
  }
  const { signed } = value.type
  const size = value.type.size === 8 ? 8 : 4
  const own = compiler.inReg(compiler.convert(value, integerOf(size, signed), given, true))
  const result = highestBit(compiler, signed ? withoutNegatives(compiler, own, size) : own, size)
  if (limit !== undefined && limit < size * 8 - 1) cutOff(compiler, result, limit)
  return { kind: 'number', reg: result, type: u32, below: Math.min(limit ?? 63, size * 8 - 1) + 1 }
}

function constantLimit(compiler: ExpressionCompiler, node: ast.Expression): number {
  const limit = compiler.module.constant(node)
  if (limit === undefined || limit < 0n || limit > 63n)
    compiler.source.fail(node, 'the largest result of log2 is a constant from 0 to 63')
  return Number(limit)
}

function alu(
  compiler: ExpressionCompiler,
  operation: AluOperation,
  bits: 32 | 64,
  a: Reg,
  b: Operand,
  d = compiler.newReg(),
): Reg {
  compiler.push({ op: 'alu', operation, bits, d, a, b })
  return d
}

/** The number, or 0 if it is negative. */
function withoutNegatives(compiler: ExpressionCompiler, reg: Reg, size: 4 | 8): Reg {
  const bits = size === 8 ? 64 : 32
  const sign = alu(compiler, 'arsh', bits, reg, { imm: bits - 1 })
  return alu(compiler, 'and', bits, reg, { reg: alu(compiler, 'xor', bits, sign, { imm: -1 }) })
}

function highestBit(compiler: ExpressionCompiler, number: Reg, size: 4 | 8): Reg {
  let left = number
  let result: Reg | undefined
  for (let step = size === 8 ? 5 : 4; step > 0; step--) {
    const upper = alu(compiler, 'rsh', 64, left, { imm: 1 << step })
    const negative = compiler.newReg()
    compiler.push({ op: 'neg', bits: 64, d: negative, a: upper })
    const hasUpper = alu(compiler, 'rsh', 64, negative, { imm: 63 })
    const by = alu(compiler, 'lsh', 64, hasUpper, { imm: step })
    left = alu(compiler, 'rsh', 64, left, { reg: by })
    // Older verifiers know the bounds of a sum, but not those of 'or' with an unknown number.
    result = result === undefined ? by : alu(compiler, 'add', 64, result, { reg: by })
  }
  const last = alu(compiler, 'and', 64, alu(compiler, 'rsh', 64, left, { imm: 1 }), { imm: 1 })
  return alu(compiler, 'add', 64, result!, { reg: last })
}

function cutOff(compiler: ExpressionCompiler, result: Reg, limit: number): void {
  const done = compiler.newLabel()
  compiler.push({ op: 'branch', comparison: 'le', bits: 64, a: result, b: { imm: limit }, to: done })
  compiler.push({ op: 'const', d: result, value: BigInt(limit) })
  compiler.label(done)
}
