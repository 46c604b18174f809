// The functions of maps and ring buffers.
import type { ExpressionCompiler } from './expressions.js'
import { typed } from './infer.js'
import type { Argument } from './ir.js'
import { type ModuleMap, mapKinds } from './module.js'
import { nearest } from './nearest.js'
import type { ast } from './syntax.js'
import { bool, describe, type StructType, sizeOf, type Type } from './types.js'
import { describeValue, type Owed, type Scope, type Value } from './values.js'

const ofMaps = ['get', 'set', 'add', 'delete']
const ofRings = ['reserve', 'submit', 'discard', 'emit']

/** BPF_NOEXIST */
const onlyNew = 1

export function mapMethods(
  compiler: ExpressionCompiler,
  given: ModuleMap,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const isRing = mapKinds[given.kind]!.parameters === 'record'
  const methods = isRing ? ofRings : ofMaps
  if (!methods.includes(name)) {
    const { property } = node.callee as ast.MemberExpression
    compiler.source.fail(
      property,
      `${given.kind} has no function '${name}'`,
      nearest(name, methods) ?? `It has ${methods.join(', ')}.`,
    )
  }
  const args = node.arguments as ast.Expression[]
  const wanted = { get: 1, set: 2, add: 2, delete: 1, reserve: 0, submit: 1, discard: 1, emit: 1 }[name]!
  if (args.length !== wanted)
    compiler.source.fail(node, `${name} has ${wanted} arguments, and ${args.length} are given`)
  const map = typed(compiler, given, name, args, scope)
  const own: Argument = { map: map.name }
  switch (name) {
    case 'get':
      return {
        kind: 'pointer',
        reg: compiler.call('map_lookup_elem', [own, inMemory(compiler, map.key!, args[0]!, scope)]),
        type: map.value!,
        shared: true,
      }
    case 'set': {
      const key = inMemory(compiler, map.key!, args[0]!, scope)
      const value = inMemory(compiler, map.value!, args[1]!, scope)
      return isZero(compiler, compiler.call('map_update_elem', [own, key, value, { imm: 0 }]))
    }
    case 'delete':
      compiler.call('map_delete_elem', [own, inMemory(compiler, map.key!, args[0]!, scope)])
      return { kind: 'void' }
    case 'add':
      return add(compiler, map, args, node, scope)
    case 'emit':
      return emit(compiler, map, args[0]!, node, scope)
    case 'reserve': {
      const type = recordType(compiler, map, node)
      const reg = compiler.call('ringbuf_reserve', [own, { imm: sizeOf(type) }, { imm: 0 }])
      return { kind: 'pointer', reg, type, owed: owedTo(map), shared: false }
    }
    default:
      return giveBack(compiler, map, name, args[0]!, scope)
  }
}

function owedTo(map: ModuleMap): Owed {
  const { name } = map
  return {
    what: 'record',
    still: 'reserved',
    map,
    how: (record) =>
      `Call ${name}.submit(${record}) or ${name}.discard(${record}) first, or use ${name}.emit({ ... }).`,
    withName: `const record = ${name}.reserve()`,
  }
}

/** A value in memory, for a helper that wants its address. */
function inMemory(compiler: ExpressionCompiler, type: Type, node: ast.Expression, scope: Scope): Argument {
  if (type.kind === 'struct' && node.type !== 'ObjectExpression') {
    const place = compiler.place(node, scope)
    if (place.type === type) return compiler.address(place)
    compiler.source.fail(node, `${describeValue(place)} is not ${describe(type)}`)
  }
  const place = compiler.local(type, node)
  compiler.assignTo(place, node, scope)
  return compiler.address(place)
}

/** Adds to a number, which begins at 0 for a key that does not exist. Other CPUs may do the same. */
function add(
  compiler: ExpressionCompiler,
  map: ModuleMap,
  [keyNode, amountNode]: readonly ast.Expression[],
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const type = map.value!
  if (type.kind !== 'int' || type.size < 4) {
    compiler.source.fail(node, 'add needs a map whose values are numbers of 32 or 64 bits')
  }
  const key = inMemory(compiler, map.key!, keyNode!, scope)
  const amount = compiler.inReg(compiler.convert(compiler.numeric(amountNode!, scope), type, amountNode!))
  const own: Argument = { map: map.name }
  const [found, end] = [compiler.newLabel(), compiler.newLabel()]
  const pointer = compiler.newReg()
  const look = (): void => {
    const reg = compiler.call('map_lookup_elem', [own, key])
    compiler.push({ op: 'move', d: pointer, s: reg, bits: 64 })
  }
  look()
  compiler.push({ op: 'branch', comparison: 'ne', bits: 64, a: pointer, b: { imm: 0 }, to: found })
  const zero = compiler.local(type, node)
  compiler.clear(zero.base, zero.offset, type.size)
  // Another CPU may have made the entry meanwhile, so the zero does not take the place of what is there.
  compiler.call('map_update_elem', [own, key, compiler.address(zero), { imm: onlyNew }])
  look()
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: pointer, b: { imm: 0 }, to: end })
  compiler.label(found)
  compiler.push({ op: 'atomicAdd', base: pointer, offset: 0, size: type.size as 4 | 8, value: amount })
  compiler.label(end)
  return { kind: 'void' }
}

/** Whether a helper returned 0, as a bool. */
function isZero(compiler: ExpressionCompiler, result: number): Value {
  const done = compiler.newLabel()
  const d = compiler.newReg()
  compiler.push({ op: 'const', d, value: 1n })
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: result, b: { imm: 0 }, to: done })
  compiler.push({ op: 'const', d, value: 0n })
  compiler.label(done)
  return { kind: 'number', reg: d, type: bool }
}

/** The type of a record, which has to be named if the buffer has several: `events.reserve<Started>()`. */
function recordType(compiler: ExpressionCompiler, map: ModuleMap, node: ast.CallExpression): StructType {
  const given =
    node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params[0] : undefined
  const records = map.records!
  const wanted = given && compiler.module.type(given)
  if (wanted === undefined && records.length === 1) return records[0]!
  const found = records.find((record) => record === wanted)
  const names = records.map(({ name }) => name)
  return (
    found ??
    compiler.source.fail(
      given ?? node,
      given ? `'${map.name}' has no such records` : `'${map.name}' has records of several types`,
      given ? `It has ${names.join(', ')}.` : `Say which: ${compiler.text(node.callee)}<${names[0]}>(...).`,
    )
  )
}

/** Reserves a record, fills it and submits it. Whether there was room for it. */
function emit(
  compiler: ExpressionCompiler,
  map: ModuleMap,
  node: ast.Expression,
  call: ast.CallExpression,
  scope: Scope,
): Value {
  if (node.type !== 'ObjectExpression') return output(compiler, map, node, scope)
  const type = recordType(compiler, map, call)
  const reg = compiler.call('ringbuf_reserve', [{ map: map.name }, { imm: type.size }, { imm: 0 }])
  const [full, d] = [compiler.newLabel(), compiler.newReg()]
  compiler.push({ op: 'const', d, value: 0n })
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: reg, b: { imm: 0 }, to: full })
  compiler.assignMembers({ kind: 'place', base: reg, offset: 0, type }, node, scope)
  compiler.call('ringbuf_submit', [{ reg }, { imm: 0 }])
  compiler.push({ op: 'const', d, value: 1n })
  compiler.label(full)
  return { kind: 'number', reg: d, type: bool }
}

/** Copies a record that is in memory already into the buffer. */
function output(compiler: ExpressionCompiler, map: ModuleMap, node: ast.Expression, scope: Scope): Value {
  const place = compiler.place(node, scope)
  if (!map.records!.some((record) => record === place.type)) {
    compiler.source.fail(
      node,
      `emit needs a record of '${map.name}'`,
      'Write its members, { pid: 1 }, or give it a variable of that type.',
    )
  }
  const result = compiler.call('ringbuf_output', [
    { map: map.name },
    compiler.address(place),
    { imm: sizeOf(place.type) },
    { imm: 0 },
  ])
  return isZero(compiler, result)
}

function giveBack(
  compiler: ExpressionCompiler,
  map: ModuleMap,
  name: string,
  node: ast.Expression,
  scope: Scope,
): Value {
  const variable = node.type === 'Identifier' ? scope.get(node.name) : undefined
  const value = variable?.value
  if (node.type !== 'Identifier' || value?.kind !== 'pointer' || value.owed?.map === undefined) {
    compiler.source.fail(node, `${name} needs a record from ${map.name}.reserve()`)
  }
  if (value.owed.map !== map)
    compiler.source.fail(node, `'${node.name}' was reserved in '${value.owed.map.name}'`)
  if (variable!.state === 'given back') compiler.source.fail(node, `'${node.name}' was given back before`)
  if (variable!.state !== 'present') {
    compiler.source.fail(
      node,
      `'${node.name}' may be null here`,
      `Compare it first: if (!${node.name}) return 0.`,
    )
  }
  const helper = name === 'submit' ? 'ringbuf_submit' : 'ringbuf_discard'
  compiler.call(helper, [{ reg: value.reg }, { imm: 0 }])
  scope.set(node.name, { ...variable!, state: 'given back' })
  return { kind: 'void' }
}
