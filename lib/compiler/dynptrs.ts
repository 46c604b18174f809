// Packets that a program sees as the kernel's own sk_buff, and reads through a dynptr: netfilter.
import { contextMember } from './contexts.js'
import type { ExpressionCompiler } from './expressions.js'
import { kfuncNamed } from './kfuncs.js'
import { filled } from './maps/memory.js'
import { offsetOf, typeOf } from './packets.js'
import type { ast } from './syntax.js'
import { sizeOf } from './types.js'
import type { ContextValue, Scope, Value } from './values.js'

/** Whether a context has a packet that is read through a dynptr. */
export const hasDynptr = ({ record }: ContextValue): boolean => record.name === 'bpf_nf_ctx'

/** `ctx.load<Ipv4>(0)`: a copy of a part of the packet, which begins with its IP header, or null if it ends before. */
export function dynptrMethods(
  compiler: ExpressionCompiler,
  context: ContextValue,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const callee = node.callee as ast.MemberExpression
  if (name !== 'load')
    return compiler.source.fail(
      callee.property,
      `a netfilter program has no function '${name}' for the packet`,
      'Copy from it: ctx.load<Ipv4>(0). It begins with the IP header.',
    )
  const type = typeOf(compiler, node, 'ctx.load<Ipv4>(0)')
  const offset = offsetOf(compiler, node.arguments[0] as ast.Expression | undefined, node, scope)
  const skb = contextMember(compiler, context, 'skb', callee)
  if (skb.kind !== 'kernel pointer') return compiler.source.fail(node, 'this context has no packet')
  const dynptr = { frame: compiler.dynptrSlot() }
  compiler.callKfunc(kfuncNamed(compiler, 'bpf_dynptr_from_skb', callee.property), [
    { reg: skb.reg },
    { imm: 0 },
    dynptr,
  ])
  const size = sizeOf(type)
  return filled(compiler, type, node, (place) => {
    // Without CAP_PERFMON, a program cannot give memory to a helper that it has not written itself.
    if ('frame' in place) compiler.clear('frame', place.frame, size)
    return compiler.call('dynptr_read', [place, { imm: size }, dynptr, offset, { imm: 0 }])
  })
}
