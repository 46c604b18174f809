// What the functions of maps share: arguments in memory, and what helpers return.
import type { ExpressionCompiler } from '../expressions.js'
import type { Argument, Reg } from '../ir.js'
import type { ast } from '../syntax.js'
import { bool, describe, opaqueParts, s32, sizeOf, type Type } from '../types.js'
import { describeValue, type MapValue, type PointerValue, type Scope, type Value } from '../values.js'
import { mapKinds } from './kinds.js'

/** A call of a map's function. */
export interface MapCall {
  readonly compiler: ExpressionCompiler
  readonly map: MapValue
  readonly name: string
  readonly args: readonly ast.Expression[]
  readonly node: ast.CallExpression
  readonly scope: Scope
}

export interface MapFunction {
  /** How many arguments it has. */
  readonly least: number
  readonly most?: number
  readonly call: (call: MapCall) => Value
}

export type MapFunctions = Readonly<Record<string, MapFunction>>

/** A map as an argument. */
export const mapArgument = ({ map, reg }: MapValue): Argument =>
  reg === undefined ? { map: map.name } : { reg }

/**
 * Whether other CPUs may change the value that a program finds. An atomic addition costs 5 ns more than a plain one.
 */
export const isShared = ({ map }: MapValue): boolean => mapKinds[map.kind]?.family !== 'elements of each CPU'

/** A value in memory, for a helper that wants its address. */
export function inMemory(
  compiler: ExpressionCompiler,
  type: Type,
  node: ast.Expression,
  scope: Scope,
): Argument {
  if (type.kind === 'struct' && node.type !== 'ObjectExpression') {
    const place = compiler.place(node, scope)
    if (place.type === type) {
      if (place.origin === undefined || opaqueParts(type).length === 0)
        return compiler.address(compiler.outsideArena(place, node))
      // The kernel does not let helpers read members that only it changes.
      const copy = compiler.local(type, node)
      compiler.clear(copy.base, copy.offset, sizeOf(type))
      compiler.copy(copy, place)
      return compiler.address(copy)
    }
    return compiler.source.fail(node, `${describeValue(place)} is not ${describe(type)}`)
  }
  const place = compiler.local(type, node)
  // The kernel copies text up to its zero byte, but compares keys with the bytes that follow it.
  if (hasText(type)) compiler.clear(place.base, place.offset, Math.ceil(sizeOf(type) / 8) * 8)
  compiler.assignTo(place, node, scope)
  return compiler.address(place)
}

function hasText(type: Type): boolean {
  if (type.kind === 'struct') return type.members.some((member) => hasText(member.type))
  return type.kind === 'array' ? hasText(type.of) : type.kind === 'chars'
}

/** Whether a helper returned 0, as a bool. */
export function isZero(compiler: ExpressionCompiler, result: number): Value {
  const done = compiler.newLabel()
  const d = compiler.newReg()
  compiler.push({ op: 'const', d, value: 1n })
  compiler.push({ op: 'branch', comparison: 'eq', bits: 64, a: result, b: { imm: 0 }, to: done })
  compiler.push({ op: 'const', d, value: 0n })
  compiler.label(done)
  return { kind: 'number', reg: d, type: bool }
}

/** The result of a helper that returns an int, such as a negative error. */
export function asInt(compiler: ExpressionCompiler, result: Reg): Value {
  const d = compiler.newReg()
  compiler.push({ op: 'move', d, s: result, bits: 32 })
  return { kind: 'number', reg: d, type: s32 }
}

/** A place on the stack that a helper has filled, or null if it returned an error. */
export function filled(
  compiler: ExpressionCompiler,
  type: Type,
  node: ast.Node,
  fill: (place: Argument) => Reg,
): PointerValue {
  const place = compiler.local(type, node)
  const result = fill(compiler.address(place))
  const [reg, done] = [compiler.newReg(), compiler.newLabel()]
  compiler.push({ op: 'const', d: reg, value: 0n })
  compiler.push({ op: 'branch', comparison: 'ne', bits: 64, a: result, b: { imm: 0 }, to: done })
  compiler.push({ op: 'frame', d: reg, offset: place.offset })
  compiler.label(done)
  return { kind: 'pointer', reg, type, shared: false }
}
