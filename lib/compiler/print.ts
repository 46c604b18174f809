// print(`pid ${pid}`): lines in the kernel's trace.
import type { ExpressionCompiler } from './expressions.js'
import type { Argument } from './ir.js'
import type { ast } from './syntax.js'
import { textAddress } from './text.js'
import type { IntType } from './types.js'
import { describeValue, type Scope, type Value } from './values.js'

/** Arguments that fit registers. */
const fewest = 3
const mostArguments = 12
/** How much of text whose length nothing says is printed, with its zero byte. */
const mostText = 64

export function print(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const [template, ...more] = node.arguments
  const isTemplate = template?.type === 'TemplateLiteral'
  if ((!isTemplate && template?.type !== 'StringLiteral') || more.length > 0)
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the hint shows one
    compiler.source.fail(node, 'print needs text', 'Write print(`pid ${pid}`).')
  const texts = isTemplate ? template.quasis.map(({ value }) => value.cooked ?? '') : [template.value]
  const values = isTemplate ? (template.expressions as ast.Expression[]) : []
  if (values.length > mostArguments)
    compiler.source.fail(values[mostArguments]!, `print has ${mostArguments} values at most`)
  if (values.length > fewest)
    compiler.expectKernel('5.16', values[fewest]!, 'print with more than three values', 'Print two lines.')
  const parts = values.map((value) => part(compiler, value, scope))
  const literals = texts.map((text) => text.replaceAll('%', '%%').replace(/\n$/, ''))
  const format = literals.map((text, i) => text + (parts[i]?.format ?? '')).join('')
  const bytes = new TextEncoder().encode(`${format}\0`)
  const reg = compiler.newReg()
  compiler.push({ op: 'symbol', d: reg, kind: 'data', name: compiler.unit.text(format) })
  const head: Argument[] = [{ reg }, { imm: bytes.length }]
  if (parts.length <= fewest) {
    compiler.call('trace_printk', [...head, ...parts.map(({ argument }) => argument)])
    return { kind: 'void' }
  }
  const slot = compiler.newSlot(parts.length * 8, node)
  for (const [i, { argument }] of parts.entries()) {
    const value = { reg: compiler.argumentReg(argument) }
    compiler.push({ op: 'store', base: 'frame', offset: slot + i * 8, size: 8, value })
  }
  compiler.call('trace_vprintk', [...head, { frame: slot }, { imm: parts.length * 8 }])
  return { kind: 'void' }
}

/** How a value is written, and what is passed. */
function part(
  compiler: ExpressionCompiler,
  node: ast.Expression,
  scope: Scope,
): { format: string; argument: Argument } {
  const found = compiler.expression(node, scope)
  const value = found.kind === 'pointer' ? compiler.behind(found, node, scope) : found
  if (value.kind === 'place' && value.type.kind === 'chars')
    return { format: '%s', argument: compiler.address(value) }
  if (
    value.kind === 'kernel text' ||
    (value.kind === 'kernel place' && compiler.kernel.isText(value.path.typeId))
  ) {
    const length = value.kind === 'kernel text' ? mostText : compiler.kernel.textLength(value.path.typeId)
    const slot = compiler.newSlot(length, node)
    const address = textAddress(compiler, value, node)
    compiler.call('probe_read_kernel_str', [{ frame: slot }, { imm: length }, { reg: address }])
    return { format: '%s', argument: { frame: slot } }
  }
  if (value.kind === 'kernel pointer') return { format: '%llx', argument: { reg: value.reg } }
  const isNumber = ['constant', 'number', 'place', 'kernel place', 'flavor place'].includes(value.kind)
  if (!isNumber) compiler.source.fail(node, `${describeValue(value)} cannot be printed`)
  const number = compiler.numberOf(value, node)
  const type: IntType | undefined = number.type
  const isSigned = type?.signed ?? number.kind === 'constant'
  const size = type?.size ?? 8
  const format = `%${size === 8 ? 'll' : ''}${isSigned ? 'd' : 'u'}`
  return { format, argument: { reg: compiler.inReg(number) } }
}
