// Comparing text: `comm === 'bash'` and `comm.startsWith('ba')`.

import { flavorAddress } from './flavors.js'
import type { Base, Reg } from './ir.js'
import type { KernelMemory } from './kernel-memory.js'
import type { MemberCompiler } from './members.js'
import type { ast } from './syntax.js'
import { textBehind, userAddress } from './user-memory.js'
import { describeValue, type PlaceValue, type Scope, type Value } from './values.js'

/** A comparison with text in the source. */
export interface TextComparison {
  readonly node: ast.Expression
  readonly literal: ast.StringLiteral
  /** `===`, and not `startsWith`. */
  readonly isWhole: boolean
  readonly isNegated: boolean
}

/** Whether an expression compares text. */
export function textComparison(node: ast.Expression): TextComparison | undefined {
  if (node.type === 'BinaryExpression' && /^[!=]==$/.test(node.operator)) {
    const { left, right } = node
    const isNegated = node.operator === '!=='
    if (right.type === 'StringLiteral')
      return { node: left as ast.Expression, literal: right, isWhole: true, isNegated }
    if (left.type === 'StringLiteral') return { node: right, literal: left, isWhole: true, isNegated }
  }
  if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return undefined
  const { property, object } = node.callee
  const [literal, ...more] = node.arguments
  if (property.type !== 'Identifier' || property.name !== 'startsWith') return undefined
  if (literal?.type !== 'StringLiteral' || more.length > 0) return undefined
  return { node: object as ast.Expression, literal, isWhole: false, isNegated: false }
}

/** Goes to a label where text is not what it is compared with; where it is, if the comparison is negated. */
export function compareText(
  compiler: MemberCompiler,
  { node, literal, isWhole }: TextComparison,
  negated: boolean,
  to: string,
  scope: Scope,
): void {
  const text = new TextEncoder().encode(literal.value)
  if (text.includes(0)) compiler.source.fail(literal, 'text ends at a zero byte')
  const found = compiler.expression(node, scope)
  const value = textBehind(
    compiler,
    found.kind === 'pointer' ? compiler.behind(found, node, scope) : found,
    node,
  )
  const isNumber =
    value.kind === 'number' ||
    (value.kind === 'place' && value.type.kind === 'int') ||
    (value.kind === 'kernel place' && compiler.kernel.btf.resolve(value.path.typeId).kind === 'int')
  if (isNumber)
    compiler.source.fail(
      literal,
      'a number is compared with text here',
      text.length === 1 ? `${compiler.text(literal)} is the number ${text[0]}.` : addressAsNumber(literal),
    )
  const most = lengthOf(compiler, value, node)
  if (most !== undefined && text.length >= most) {
    compiler.source.fail(
      literal,
      `this text has ${text.length} bytes, and with the zero byte at its end it is never in a char<${most}>`,
    )
  }
  const wanted = isWhole ? Uint8Array.of(...text, 0) : text
  if (wanted.length === 0) compiler.source.fail(literal, 'every text starts with an empty one')
  const { base, offset, align = 8 } = inMemory(compiler, value, wanted.length, node)
  const end = compiler.newLabel()
  const differs = negated ? end : to
  for (let at = 0; at < wanted.length; ) {
    const size = [4, 2, 1].find(
      (step) => step <= align && at + step <= wanted.length && (offset + at) % step === 0,
    )!
    const d = compiler.newReg()
    compiler.push({ op: 'load', d, base, offset: offset + at, size })
    const imm = wanted.subarray(at, at + size).reduceRight((sum, byte) => sum * 256 + byte, 0) | 0
    const bits = 32
    compiler.push({ op: 'branch', comparison: 'ne', bits, a: d, b: { imm }, to: differs })
    at += size
  }
  if (negated) compiler.jump(to)
  compiler.label(end)
}

/** `'10.0.0.1'` as a number of the network's byte order, for members such as be32. */
export function addressAsNumber({ value }: ast.StringLiteral): string | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(value)?.slice(1).map(Number)
  if (parts === undefined || parts.some((part) => part > 255)) return undefined
  const hex = parts.map((part) => part.toString(16).padStart(2, '0')).join('')
  return `The address is the number 0x${hex}.`
}

/** How many bytes text can have with its zero byte; undefined behind a pointer. */
function lengthOf(compiler: MemberCompiler, value: Value, node: ast.Node): number | undefined {
  if (value.kind === 'place' && value.type.kind === 'chars') return value.type.length
  if (value.kind === 'flavor place' && value.type.kind === 'chars') return value.type.length
  if (value.kind === 'user place' && value.type.kind === 'chars') return value.type.length || undefined
  if (value.kind === 'kernel text') return undefined
  if (value.kind === 'kernel place') {
    const type = compiler.kernel.btf.resolve(value.path.typeId)
    if (type.kind === 'array' && type.length > 0 && compiler.kernel.btf.sizeOf(type.typeId) === 1)
      return type.length
    if (compiler.kernel.isText(value.path.typeId)) return undefined
  }
  compiler.source.fail(node, `${describeValue(value)} is not text`)
}

/** Text in memory that the program may read: text of the kernel is copied to the stack. */
function inMemory(
  compiler: MemberCompiler,
  value: Value,
  size: number,
  node: ast.Expression,
): { base: Base; offset: number; align?: number } {
  if (value.kind === 'place') return value
  // One byte more than is compared, so that longer text is not truncated to text that would look the same.
  const room = size + 1
  const offset = compiler.newSlot(room, node)
  const address = textAddress(compiler, value, node)
  compiler.call(textHelper(value), [{ frame: offset }, { imm: room }, { reg: address }])
  return { base: 'frame', offset }
}

/** What copies text that the verifier does not know. */
export const textHelper = (value: Value): 'probe_read_user_str' | 'probe_read_kernel_str' =>
  value.kind === 'user place' ? 'probe_read_user_str' : 'probe_read_kernel_str'

/** The address of text of the kernel or of a process: an array of char, or what a pointer points to. */
export function textAddress(compiler: MemberCompiler, value: Value, node: ast.Expression): Reg {
  if (value.kind === 'flavor place') return flavorAddress(compiler, value)
  if (value.kind === 'user place') return userAddress(compiler, value)
  if (value.kind === 'kernel text') return value.reg
  if (value.kind !== 'kernel place') return compiler.source.fail(node, `${describeValue(value)} is not text`)
  const type = compiler.kernel.btf.resolve(value.path.typeId)
  if (type.kind === 'array') return compiler.kernelAddress(value)
  return compiler.inReg(compiler.expectNumeric(compiler.readKernel(value, node), node))
}

/** Writes the name of the running thread. @param isUsed - there may be something other than zeros at that place */
export function readComm(compiler: KernelMemory, place: PlaceValue, length: number, isUsed: boolean): void {
  // Some kernels before 6.5 leave the bytes after the name as they were.
  if (isUsed) compiler.clear(place.base, place.offset, length, place.align)
  compiler.call('get_current_comm', [compiler.address(place), { imm: length }])
}
