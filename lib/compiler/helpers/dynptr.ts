// bpf.dynptrFromMem(...), which returns a dynptr where the kernel's helper fills one in.
import type { ExpressionCompiler } from '../expressions.js'
import type { ast } from '../syntax.js'
import { sizeOf } from '../types.js'
import type { Scope, Value } from '../values.js'

/** A dynptr for the bytes of a value in a map, or of a global variable: `bpf.dynptrFromMem(value.text)`. */
export function dynptrFromMem(compiler: ExpressionCompiler, node: ast.CallExpression, scope: Scope): Value {
  const [given, ...more] = node.arguments as ast.Expression[]
  if (given === undefined || more.length > 0)
    compiler.source.fail(node, 'dynptrFromMem has one argument', 'Write bpf.dynptrFromMem(value.text).')
  const place = compiler.place(given, scope)
  if (place.origin === undefined && place.isGlobal !== true)
    compiler.source.fail(
      given,
      'the kernel makes dynptrs only for what is in the value of a map, or in a global variable',
      'Get it from a map, such as a percpuArray with one element.',
    )
  if (place.readonly !== undefined) compiler.source.fail(given, place.readonly)
  const frame = compiler.newDynptr()
  compiler.call('dynptr_from_mem', [
    compiler.address(place),
    { imm: sizeOf(place.type) },
    { imm: 0 },
    { frame },
  ])
  return { kind: 'dynptr', frame, of: 'memory' }
}
