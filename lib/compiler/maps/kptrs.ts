// Members of map values that hold a reference to one of the kernel's structs.
import type { ExpressionCompiler } from '../expressions.js'
import { maySleep } from '../hooks/kinds.js'
import type { Argument, Reg } from '../ir.js'
import { owedTo } from '../kfuncs.js'
import { nearest } from '../nearest.js'
import type { ast } from '../syntax.js'
import { type KptrType, type StructType, u64 } from '../types.js'
import { type KernelPointerValue, markGivenBack, type PlaceValue, type Scope, type Value } from '../values.js'
import { objectGiven, owedObject } from './graphs.js'
import { kptrReleases } from './kptr-types.js'
import { expectNoLock } from './opaque.js'

/** Structs that stay alive for a while after they were taken out of a map: programs that do not sleep may use them. */
const underRcu = new Set(['task_struct', 'cgroup', 'bpf_cpumask', 'bpf_crypto_ctx'])

const names = ['xchg', 'get']

export function kptrMethods(
  compiler: ExpressionCompiler,
  place: PlaceValue,
  { record: kptr, object: allocated }: KptrType,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const { object, property } = node.callee as ast.MemberExpression
  const { source } = compiler
  if (!names.includes(name))
    return source.fail(
      property,
      `a kptr has no function '${name}'`,
      nearest(name, names) ?? `It has ${names.join(' and ')}.`,
    )
  if (place.isObject) compiler.expectKernel('6.12', object, 'a kptr in an object')
  else if (place.origin === undefined)
    return source.fail(object, 'a kptr has to be in the value of a map', 'Get it from the map: map.get(key).')
  if (allocated !== undefined) return exchange(compiler, place, allocated, name, node, scope)
  const record = compiler.kernel.recordFor(kptr)
  if (record === undefined) return source.fail(object, `this kernel has no struct '${kptr}'`)
  if (kptr === 'sk_buff') compiler.expectKernel('6.16', object, 'a kptr<kernel.sk_buff>')
  expectNoLock(compiler, node, scope)
  const [given, ...more] = node.arguments as ast.Expression[]
  if (name === 'get') {
    if (given !== undefined) return source.fail(given, 'get has no arguments')
    const reg = load(compiler, place)
    const trusted = underRcu.has(kptr) && !maySleep(compiler.program)
    return { kind: 'kernel pointer', reg, record, trusted, nullable: true }
  }
  if (given === undefined || more.length > 0) return oneArgument(compiler, node)
  const put = given.type === 'NullLiteral' ? { imm: 0 } : handedOver(compiler, kptr, given, scope)
  const reg = compiler.call('kptr_xchg', [compiler.address(place), put])
  return {
    kind: 'kernel pointer',
    reg,
    record,
    trusted: true,
    nullable: true,
    owed: owedTo(kptrReleases[kptr]!, `const reference = ${compiler.text(object)}.xchg(...)`),
  }
}

function oneArgument(compiler: ExpressionCompiler, node: ast.CallExpression): never {
  const { object } = node.callee as ast.MemberExpression
  return compiler.source.fail(
    node,
    'xchg has one argument',
    `Write ${compiler.text(object)}.xchg(null) to take it out.`,
  )
}

/** Puts in an object that the program has allocated, and takes out what was there. */
function exchange(
  compiler: ExpressionCompiler,
  place: PlaceValue,
  type: StructType,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const { object, property } = node.callee as ast.MemberExpression
  if (name === 'get')
    return compiler.source.fail(
      property,
      'an object in a kptr cannot be looked at where it is',
      `Take it out: const object = ${compiler.text(object)}.xchg(null).`,
    )
  expectNoLock(compiler, node, scope)
  compiler.expectKernel('6.6', object, 'a kptr to an object')
  const [given, more] = node.arguments as ast.Expression[]
  if (given === undefined || more !== undefined) return oneArgument(compiler, node)
  const put =
    given.type === 'NullLiteral'
      ? { imm: 0 }
      : { reg: objectGiven(compiler, type.name, given, 'xchg takes', scope) }
  const reg = compiler.call('kptr_xchg', [compiler.address(place), put])
  const text = `const object = ${compiler.text(object)}.xchg(...)`
  return { kind: 'pointer', reg, type, shared: false, object: { at: 0 }, owed: owedObject(text) }
}

/** The reference in the map, which stays there. */
function load(compiler: ExpressionCompiler, { base, offset }: PlaceValue): Reg {
  const d = compiler.newReg()
  compiler.push({ op: 'load', d, base, offset, size: u64.size })
  return d
}

/** A reference that the map keeps from now on. */
function handedOver(
  compiler: ExpressionCompiler,
  kptr: string,
  node: ast.Expression,
  scope: Scope,
): Argument {
  const variable = node.type === 'Identifier' ? scope.get(node.name) : undefined
  const value = variable?.value.kind === 'kernel pointer' ? variable.value : undefined
  const isOwn = value !== undefined && value.record.name === kptr && isHeld(value)
  if (node.type !== 'Identifier' || variable === undefined || !isOwn)
    return compiler.source.fail(
      node,
      `xchg puts in a reference to a struct ${kptr} that the program holds, or null`,
      kptr === 'task_struct'
        ? 'Get one first, and compare it: const task = kfunc.bpf_task_from_pid(pid).'
        : `Such references are released with kfunc.${kptrReleases[kptr]}.`,
    )
  compiler.expectPresent(node, scope)
  markGivenBack(scope, node.name)
  return { reg: value.reg }
}

const isHeld = ({ owed }: KernelPointerValue): boolean => owed?.release !== undefined
