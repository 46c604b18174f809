// Checksums of the internet protocols: sums of 16 bits with the carry added again.
import type { ExpressionCompiler } from './expressions.js'
import type { Operand, Reg } from './ir.js'
import type { ast } from './syntax.js'
import { sizeOf, u16, u32, u64 } from './types.js'
import type { Scope, Value } from './values.js'

/** Functions of `bpf` that are not helpers of the kernel. */
export const checksumFunctions: Readonly<
  Record<string, (compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope) => Value>
> = { checksum, updateChecksum }

/**
 * `bpf.checksum(header)`: the checksum of a struct in memory. The header's own checksum field has to be 0; if it
 * already holds the right checksum, the result is 0.
 */
function checksum(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const [argument] = node.arguments as readonly ast.Expression[]
  if (argument === undefined)
    compiler.source.fail(node, 'checksum needs the header to compute it for', 'Write bpf.checksum(ip).')
  const place = compiler.place(argument, scope)
  const size = sizeOf(place.type)
  if (size % 2 !== 0 || size > 128)
    compiler.source.fail(
      argument,
      `a checksum is over an even number of bytes, 128 at most, and this has ${size}`,
    )
  const sum = compiler.newReg()
  compiler.push({ op: 'const', d: sum, value: 0n })
  for (let at = 0; at < size; at += 2) {
    const word = compiler.newReg()
    compiler.push({ op: 'load', d: word, base: place.base, offset: place.offset + at, size: 2 })
    alu(compiler, 'add', sum, sum, { reg: compiler.swap(word, 16) })
  }
  return folded(compiler, sum)
}

/**
 * `bpf.updateChecksum(old, from, to)`: the checksum after a 16-bit or 32-bit number in the data that it covers has
 * changed.
 */
function updateChecksum(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const args = node.arguments as readonly ast.Expression[]
  if (args.length !== 3) {
    compiler.source.fail(
      node,
      'updateChecksum needs the checksum, the old number and the new one',
      'Write ip.checksum = bpf.updateChecksum(ip.checksum, from, to).',
    )
  }
  const [old, from, to] = args.map((argument) =>
    compiler.inReg(compiler.convert(compiler.numeric(argument, scope), u32, argument)),
  ) as [Reg, Reg, Reg]
  const sum = compiler.newReg()
  // 16-bit numbers have zeros above their bits, and their complements have ones; neither adds anything to the sum.
  const add = (reg: Reg, flip: number, shift: number): void => {
    let part = reg
    if (flip !== 0) part = alu(compiler, 'xor', compiler.newReg(), part, { imm: flip })
    if (shift > 0) part = alu(compiler, 'rsh', compiler.newReg(), part, { imm: shift })
    part = alu(compiler, 'and', compiler.newReg(), part, { imm: 0xffff })
    alu(compiler, 'add', sum, sum, { reg: part })
  }
  compiler.push({ op: 'const', d: sum, value: 0n })
  add(old, 0xffff, 0)
  for (const shift of [0, 16]) {
    add(from, -1, shift)
    add(to, 0, shift)
  }
  return folded(compiler, sum)
}

/** Adds the carries again, twice, and takes the complement. */
function folded(compiler: ExpressionCompiler, sum: Reg): Value {
  let reg = sum
  for (let round = 0; round < 2; round++) {
    const high = alu(compiler, 'rsh', compiler.newReg(), reg, { imm: 16 })
    const low = alu(compiler, 'and', compiler.newReg(), reg, { imm: 0xffff })
    reg = alu(compiler, 'add', compiler.newReg(), low, { reg: high })
  }
  reg = alu(compiler, 'xor', compiler.newReg(), reg, { imm: 0xffff })
  return { kind: 'number', reg: alu(compiler, 'and', compiler.newReg(), reg, { imm: 0xffff }), type: u16 }
}

function alu(
  compiler: ExpressionCompiler,
  operation: 'add' | 'and' | 'xor' | 'rsh',
  d: Reg,
  a: Reg,
  b: Operand,
): Reg {
  compiler.push({ op: 'alu', operation, bits: operation === 'xor' || operation === 'rsh' ? 32 : 64, d, a, b })
  return d
}

/**
 * l3CsumReplace and l4CsumReplace want the old and the new number in the byte order of the packet; programs pass their
 * values.
 *
 * @param size - how many bytes they have: the lowest bits of the last argument
 */
export function inPacketOrder(
  compiler: ExpressionCompiler,
  value: ast.Expression,
  last: ast.Expression,
  scope: Scope,
): Operand {
  const size = (compiler.module.constant(last) ?? 0n) & 0xfn
  const number = compiler.convert(compiler.numeric(value, scope), u64, value, true)
  const reg = compiler.inReg(number)
  if (size === 2n) return { reg: compiler.swap(reg, 16) }
  return { reg: size === 4n ? compiler.swap(reg, 32) : reg }
}
