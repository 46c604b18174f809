// What iterator programs do with their context: write into the file that user space reads, and see the elements of a
// map with their types.
import type { ExpressionCompiler } from '../expressions.js'
import type { Reg } from '../ir.js'
import type { KernelMemory } from '../kernel-memory.js'
import { nearest } from '../nearest.js'
import { formatted, storedParts } from '../print.js'
import type { ast } from '../syntax.js'
import { sizeOf } from '../types.js'
import type { ContextValue, PointerValue, Scope, Value } from '../values.js'

const functions = ['print', 'write']

export const isIterator = ({ record }: ContextValue): boolean => record.name.startsWith('bpf_iter__')

export function iteratorMethods(
  compiler: ExpressionCompiler,
  context: ContextValue,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  if (!functions.includes(name)) {
    compiler.source.fail(
      (node.callee as ast.MemberExpression).property,
      `the context of an iterator has no function '${name}'`,
      nearest(name, functions) ?? `It has ${functions.join(' and ')}.`,
    )
  }
  const seq = seqOf(compiler, context)
  if (name === 'print') {
    const { format, size, parts } = formatted(compiler, node, scope, 'ctx.print', '\n')
    const data = storedParts(compiler, parts, node)
    compiler.call('seq_printf', [{ reg: seq }, { reg: format }, { imm: size }, ...data])
    return { kind: 'void' }
  }
  const [value, ...more] = node.arguments as readonly ast.Expression[]
  if (value === undefined || more.length > 0)
    compiler.source.fail(node, 'write needs one value in memory', 'Write ctx.write(row).')
  const place = compiler.outsideArena(compiler.place(value, scope), value)
  if (place.type.kind === 'struct') compiler.unit.shown.add(place.type.name)
  compiler.call('seq_write', [{ reg: seq }, compiler.address(place), { imm: sizeOf(place.type) }])
  return { kind: 'void' }
}

/** The file that user space reads: ctx.meta.seq. */
function seqOf(compiler: ExpressionCompiler, { record, reg }: ContextValue): Reg {
  const { kernel } = compiler
  const [meta, seq] = [compiler.newReg(), compiler.newReg()]
  const at = kernel.member(record, 'meta')!.bitOffset / 8
  compiler.push({ op: 'load', d: meta, base: reg, offset: at, size: 8 })
  compiler.push({ op: 'load', d: seq, base: meta, offset: 0, size: 8 })
  return seq
}

/**
 * The key or the value of an element of a map, with the types that are given: `iter<u32, u64>('bpf_map_elem', ...)`.
 */
export function elementOf(
  compiler: KernelMemory,
  { record }: ContextValue,
  name: string,
  reg: Reg,
): PointerValue | undefined {
  if (record.name !== 'bpf_iter__bpf_map_elem' || (name !== 'key' && name !== 'value')) return undefined
  const call = compiler.program.node as ast.CallExpression
  const types = call.typeParameters?.type === 'TSTypeParameterInstantiation' ? call.typeParameters.params : []
  if (types.length !== 2) {
    return compiler.source.fail(
      call,
      'the elements of a map have types here',
      "Write iter<u32, u64>('bpf_map_elem', (ctx) => { ... }).",
    )
  }
  return { kind: 'pointer', reg, type: compiler.module.type(types[name === 'key' ? 0 : 1]!), shared: false }
}
