// struct_ops programs that return one of the kernel's structs: a reference that they hold, or null.
import type { ExpressionCompiler } from '../expressions.js'
import type { Reg } from '../ir.js'
import type { KernelRecord } from '../kernel-types.js'
import type { Located } from '../source.js'
import type { ast } from '../syntax.js'
import { describeValue, markGivenBack, type Scope } from '../values.js'

/** The pointer that a program returns. */
export function returnedPointer(
  compiler: ExpressionCompiler,
  { name: record }: KernelRecord,
  node: ast.Expression | undefined,
  at: Located,
  scope: Scope,
): Reg {
  const { source } = compiler
  const what = compiler.program.target!.name
  const returns = `'${what}' returns a reference to a struct ${record} that it holds, or null`
  compiler.expectKernel('6.16', compiler.program.target!.node, `'${what}'`)
  const isNull = node === undefined || node.type === 'NullLiteral'
  if (!isNull && node.type !== 'Identifier')
    return source.fail(node, returns, 'Give it a name first: const one = ..., then return one.')
  compiler.at = at.start ?? compiler.at
  if (isNull) return compiler.inReg({ kind: 'constant', value: 0n })
  const value = compiler.expression(node, scope)
  if (value.kind !== 'kernel pointer')
    return source.fail(node, `${returns}, and this is ${describeValue(value)}`)
  if (value.record.name !== record || value.owed === undefined)
    return source.fail(
      node,
      value.record.name === record
        ? `${returns}, and '${node.name}' is not held`
        : `${returns}, and this is ${describeValue(value)}`,
    )
  const variable = scope.get(node.name)!
  // This also applies if it may be null, which to the kernel means that there is nothing.
  if (variable.state === 'given back') compiler.expectPresent(node, scope)
  markGivenBack(scope, node.name)
  return value.reg
}
