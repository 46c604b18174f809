// The functions of maps and ring buffers.
import type { ExpressionCompiler } from './expressions.js'
import { helperNumbers } from './helpers.js'
import type { Argument } from './ir.js'
import type { ModuleMap } from './module.js'
import { nearest } from './nearest.js'
import type { ast } from './syntax.js'
import { sizeOf, type Type } from './types.js'
import type { Owed, Scope, Value } from './values.js'

const ofMaps = ['get', 'set', 'add', 'delete']
const ofRings = ['reserve', 'submit', 'discard', 'emit']

/** BPF_NOEXIST */
const onlyNew = 1

export function mapMethods(
  compiler: ExpressionCompiler,
  map: ModuleMap,
  name: string,
  node: ast.CallExpression,
  scope: Scope,
): Value {
  const isRing = map.record !== undefined
  const methods = isRing ? ofRings : ofMaps
  if (!methods.includes(name)) {
    const { property } = node.callee as ast.MemberExpression
    compiler.source.fail(
      property,
      `${map.kind} has no function '${name}'`,
      nearest(name, methods) ?? `It has ${methods.join(', ')}.`,
    )
  }
  const args = node.arguments as ast.Expression[]
  const wanted = { get: 1, set: 2, add: 2, delete: 1, reserve: 0, submit: 1, discard: 1, emit: 1 }[name]!
  if (args.length !== wanted)
    compiler.source.fail(node, `${name} has ${wanted} arguments, and ${args.length} are given`)
  const own: Argument = { map: map.name }
  switch (name) {
    case 'get':
      return {
        kind: 'pointer',
        reg: compiler.call(helperNumbers.mapLookup, [own, inMemory(compiler, map.key!, args[0]!, scope)]),
        type: map.value!,
        shared: true,
      }
    case 'set': {
      const key = inMemory(compiler, map.key!, args[0]!, scope)
      const value = inMemory(compiler, map.value!, args[1]!, scope)
      compiler.call(helperNumbers.mapUpdate, [own, key, value, { imm: 0 }])
      return { kind: 'void' }
    }
    case 'delete':
      compiler.call(helperNumbers.mapDelete, [own, inMemory(compiler, map.key!, args[0]!, scope)])
      return { kind: 'void' }
    case 'add':
      return add(compiler, map, args, node, scope)
    case 'emit':
      return emit(compiler, map, args[0]!, scope)
    case 'reserve': {
      const reg = compiler.call(helperNumbers.ringbufReserve, [own, { imm: sizeOf(map.record!) }, { imm: 0 }])
      return { kind: 'pointer', reg, type: map.record!, owed: owedTo(map), shared: false }
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
  if (type.kind !== 'int' && node.type !== 'ObjectExpression') {
    const value = compiler.expression(node, scope)
    if (value.kind === 'place' && value.type === type) return compiler.address(value)
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
    const reg = compiler.call(helperNumbers.mapLookup, [own, key])
    compiler.push({ op: 'move', d: pointer, s: reg, bits: 64 })
  }
  look()
  compiler.push({ op: 'branch', comparison: 'ne', bits: 64, a: pointer, b: { imm: 0 }, to: found })
  const zero = compiler.local(type, node)
  compiler.clear(zero.base, zero.offset, type.size)
  // Another CPU may have made the entry meanwhile, so the zero does not take the place of what is there.
  compiler.call(helperNumbers.mapUpdate, [own, key, compiler.address(zero), { imm: onlyNew }])
  look()
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: pointer, b: { imm: 0 }, to: end })
  compiler.label(found)
  compiler.push({ op: 'atomicAdd', base: pointer, offset: 0, size: type.size as 4 | 8, value: amount })
  compiler.label(end)
  return { kind: 'void' }
}

/** Reserves a record, fills it and submits it. Does nothing if the buffer is full. */
function emit(compiler: ExpressionCompiler, map: ModuleMap, node: ast.Expression, scope: Scope): Value {
  if (node.type !== 'ObjectExpression')
    compiler.source.fail(node, 'emit needs the members of the record: { pid: 1 }')
  const type = map.record!
  const reg = compiler.call(helperNumbers.ringbufReserve, [{ map: map.name }, { imm: type.size }, { imm: 0 }])
  const full = compiler.newLabel()
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: reg, b: { imm: 0 }, to: full })
  compiler.assignMembers({ kind: 'place', base: reg, offset: 0, type }, node, scope)
  compiler.call(helperNumbers.ringbufSubmit, [{ reg }, { imm: 0 }])
  compiler.label(full)
  return { kind: 'void' }
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
  const helper = name === 'submit' ? helperNumbers.ringbufSubmit : helperNumbers.ringbufDiscard
  compiler.call(helper, [{ reg: value.reg }, { imm: 0 }])
  scope.set(node.name, { ...variable!, state: 'given back' })
  return { kind: 'void' }
}
