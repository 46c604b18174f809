// The packet of a program that sees packets.
import type { ExpressionCompiler } from './expressions.js'
import type { ast } from './syntax.js'
import { sizeOf } from './types.js'
import type { PacketValue, Scope, Value } from './values.js'

/** `packet.read<Ethernet>(0)`: a pointer into the packet, or null if the packet ends before the struct does. */
export function packetMethods(
  compiler: ExpressionCompiler,
  packet: PacketValue,
  name: string,
  node: ast.CallExpression,
  _scope: Scope,
): Value {
  const { property } = node.callee as ast.MemberExpression
  if (name !== 'read')
    compiler.source.fail(
      property,
      `the packet has no function '${name}'`,
      'It has read: packet.read<Ethernet>(0).',
    )
  const given =
    node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params[0] : undefined
  const argument = node.arguments[0]
  const offset = argument && compiler.module.constant(argument)
  if (given === undefined || offset === undefined || offset < 0n || offset > 0xffffn) {
    compiler.source.fail(node, 'read needs a type and a constant offset', 'Write packet.read<Ethernet>(0).')
  }
  const type = compiler.module.type(given)
  const [data, end, pointer, behind, result] = [
    compiler.newReg(),
    compiler.newReg(),
    compiler.newReg(),
    compiler.newReg(),
    compiler.newReg(),
  ]
  const [outside, done] = [compiler.newLabel(), compiler.newLabel()]
  compiler.push({ op: 'load', d: data, base: packet.context, offset: packet.data, size: 4 })
  compiler.push({ op: 'load', d: end, base: packet.context, offset: packet.end, size: 4 })
  compiler.push({ op: 'alu', operation: 'add', bits: 64, d: pointer, a: data, b: { imm: Number(offset) } })
  compiler.push({ op: 'alu', operation: 'add', bits: 64, d: behind, a: pointer, b: { imm: sizeOf(type) } })
  compiler.push({ op: 'branch', comparison: 'gt', bits: 64, a: behind, b: { reg: end }, to: outside })
  compiler.push({ op: 'move', d: result, s: pointer, bits: 64 })
  compiler.jump(done)
  compiler.label(outside)
  compiler.push({ op: 'const', d: result, value: 0n })
  compiler.label(done)
  return { kind: 'pointer', reg: result, type, shared: false }
}
