// print(`pid ${pid}`): lines in the kernel's trace.
import { array, type CType, char } from '../asm/c-types.js'
import type { ExpressionCompiler } from './expressions.js'
import type { Argument, Reg } from './ir.js'
import type { ast } from './syntax.js'
import { textAddress, textHelper } from './text.js'
import { cTypeOf, type IntType, s64, sizeOf, u64 } from './types.js'
import { textBehind } from './user-memory.js'
import { describeValue, type Scope, type Value } from './values.js'

/** How many arguments fit into registers. */
const fewest = 3
const mostArguments = 12
/** How much of a text of unknown length is printed, with its zero byte. */
const mostText = 64

export function print(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const { format, size, parts } = formatted(compiler, node, scope, 'print', '')
  const head: Argument[] = [{ reg: format }, { imm: size }]
  if (parts.length <= fewest) {
    compiler.call('trace_printk', [...head, ...parts])
    return { kind: 'void' }
  }
  const [template] = node.arguments
  const fourth = template?.type === 'TemplateLiteral' ? template.expressions[fewest] : undefined
  compiler.expectKernel('5.16', fourth ?? node, 'print with more than three values', 'Print two lines.')
  compiler.call('trace_vprintk', [...head, ...storedParts(compiler, parts, node)])
  return { kind: 'void' }
}

/**
 * The text of a template, and the values in it.
 *
 * @param end - what follows the text; a line break at its end is dropped
 */
export function formatted(
  compiler: ExpressionCompiler,
  node: ast.CallExpression,
  scope: Scope,
  word: string,
  end: string,
): { format: Reg; size: number; parts: Argument[] } {
  const [template, ...more] = node.arguments
  const isTemplate = template?.type === 'TemplateLiteral'
  if ((!isTemplate && template?.type !== 'StringLiteral') || more.length > 0)
    compiler.source.fail(node, `${word} needs text`, `Write ${word}(\`pid \${pid}\`).`)
  const texts = isTemplate ? template.quasis.map(({ value }) => value.cooked ?? '') : [template.value]
  const values = isTemplate ? (template.expressions as ast.Expression[]) : []
  if (values.length > mostArguments)
    compiler.source.fail(values[mostArguments]!, `${word} has ${mostArguments} values at most`)
  const parts = values.map((value) => part(compiler, value, scope))
  if (texts.some((text) => text.includes('%')))
    compiler.expectKernel('5.13', node, 'a percent sign in print', 'Write percent.')
  const strings = values.filter((_, i) => parts[i]!.format === '%s')
  if (strings.length > 1)
    compiler.expectKernel('5.13', strings[1]!, 'print with more than one text', 'Print two lines.')
  const literals = texts.map((text) => text.replaceAll('%', '%%').replace(/\n$/, ''))
  const text = `${literals.map((literal, i) => literal + (parts[i]?.format ?? '')).join('')}${end}`
  const format = compiler.newReg()
  compiler.push({ op: 'symbol', d: format, kind: 'data', name: compiler.unit.text(text) })
  const size = new TextEncoder().encode(`${text}\0`).length
  return { format, size, parts: parts.map(({ argument }) => argument) }
}

/** The values in memory, for helpers that take them there, with their size. */
export function storedParts(
  compiler: ExpressionCompiler,
  parts: readonly Argument[],
  node: ast.Node,
): [Argument, Argument] {
  if (parts.length === 0) return [{ imm: 0 }, { imm: 0 }]
  const slot = compiler.newSlot(parts.length * 8, node)
  for (const [i, part] of parts.entries()) {
    const value = { reg: compiler.argumentReg(part) }
    compiler.push({ op: 'store', base: 'frame', offset: slot + i * 8, size: 8, value })
  }
  return [{ frame: slot }, { imm: parts.length * 8 }]
}

/** The format of a value, what is passed for it, and its type in C. */
export function part(
  compiler: ExpressionCompiler,
  node: ast.Expression,
  scope: Scope,
): { format: string; argument: Argument; type: CType } {
  const found = compiler.expression(node, scope)
  const value = textBehind(
    compiler,
    found.kind === 'pointer' ? compiler.behind(found, node, scope) : found,
    node,
  )
  if (value.kind === 'place' && value.type.kind === 'chars')
    return {
      format: '%s',
      argument: compiler.address(compiler.outsideArena(value, node)),
      type: array(char, value.type.length),
    }
  if (
    value.kind === 'kernel text' ||
    (value.kind === 'user place' && value.type.kind === 'chars') ||
    (value.kind === 'kernel place' && compiler.kernel.isText(value.path.typeId))
  ) {
    const length =
      value.kind === 'kernel place'
        ? compiler.kernel.textLength(value.path.typeId)
        : (value.kind === 'user place' && sizeOf(value.type)) || mostText
    const slot = compiler.newSlot(length, node)
    const address = textAddress(compiler, value, node)
    compiler.call(textHelper(value), [{ frame: slot }, { imm: length }, { reg: address }])
    return { format: '%s', argument: { frame: slot }, type: array(char, length) }
  }
  if (value.kind === 'kernel pointer')
    return { format: '%llx', argument: { reg: value.reg }, type: cTypeOf(u64) }
  const isNumber = ['constant', 'number', 'place', 'kernel place', 'flavor place', 'user place'].includes(
    value.kind,
  )
  if (!isNumber) compiler.source.fail(node, `${describeValue(value)} cannot be printed`)
  const number = compiler.numberOf(value, node)
  const type: IntType | undefined = number.type
  const isSigned = type?.signed ?? number.kind === 'constant'
  const size = type?.size ?? 8
  const format = `%${size === 8 ? 'll' : ''}${type?.user ? 'x' : isSigned ? 'd' : 'u'}`
  return { format, argument: { reg: compiler.inReg(number) }, type: cTypeOf(type ?? s64) }
}
