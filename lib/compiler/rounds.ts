// How many rounds a loop has at most, where its condition compares a variable with a constant.
import type { Operation, Reg } from './ir.js'
import { written } from './ir.js'
import { type ast, eachChild } from './syntax.js'
import type { IntType } from './types.js'
import type { NumberValue, Scope } from './values.js'

/** The part of a condition that ends a loop. */
export interface Limit {
  readonly node: ast.BinaryExpression
  readonly name: string
  readonly variable: NumberValue
  readonly bound: bigint
}

/** The smallest and the largest value. */
export type Range = readonly [least: bigint, most: bigint]

type ConstantOf = (node: ast.Expression, scope: Scope) => bigint | undefined

export function limitOf(test: ast.Expression, scope: Scope, constantOf: ConstantOf): Limit | undefined {
  if (test.type === 'LogicalExpression' && test.operator === '&&')
    return limitOf(test.left, scope, constantOf) ?? limitOf(test.right, scope, constantOf)
  if (test.type === 'ParenthesizedExpression') return limitOf(test.expression, scope, constantOf)
  if (test.type !== 'BinaryExpression' || !/^(<|<=|>|>=|!==)$/.test(test.operator)) return undefined
  const { left } = test
  const variable = left.type === 'Identifier' ? scope.get(left.name) : undefined
  if (!variable?.mutable || variable.value.kind !== 'number') return undefined
  const given = constantOf(test.right, scope)
  if (given === undefined) return undefined
  const { type } = variable.value
  // The number as it is compared: a negative one becomes a number of the type.
  const bound = type.signed ? given : BigInt.asUintN(Math.max(32, type.size * 8), given)
  return { node: test, name: (left as ast.Identifier).name, variable: variable.value, bound }
}

/** By how much a variable changes in each round: i++, i -= 2 and the like, not inside of another statement. */
export function stepOf(
  name: string,
  node: ast.Node | null | undefined,
  scope: Scope,
  constantOf: ConstantOf,
): bigint | undefined {
  const isOwn = (one: ast.Node): boolean => one.type === 'Identifier' && one.name === name
  switch (node?.type) {
    case 'UpdateExpression':
      return isOwn(node.argument) ? (node.operator === '++' ? 1n : -1n) : undefined
    case 'AssignmentExpression': {
      if (!isOwn(node.left) || !/^[+-]=$/.test(node.operator)) return undefined
      const by = constantOf(node.right, scope)
      return by !== undefined && node.operator === '-=' ? -by : by
    }
    case 'ExpressionStatement':
      return stepOf(name, node.expression, scope, constantOf)
    case 'BlockStatement':
      for (const one of node.body) {
        const step = stepOf(name, one, scope, constantOf)
        if (step !== undefined) return step
      }
  }
  return undefined
}

/** The names that are assigned to. */
export function assignedIn(node: ast.Node, names = new Set<string>()): Set<string> {
  const target =
    node.type === 'UpdateExpression'
      ? node.argument
      : node.type === 'AssignmentExpression'
        ? node.left
        : undefined
  if (target?.type === 'Identifier') names.add(target.name)
  eachChild(node, (child) => assignedIn(child, names))
  return names
}

/** What a type has room for. */
export function rangeOfType({ size, signed, name }: IntType): Range {
  if (name === 'bool') return [0n, 1n]
  const bits = BigInt(size * 8)
  return signed ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n] : [0n, (1n << bits) - 1n]
}

/**
 * The values that a number can have after some operations, as far as the verifier knows.
 *
 * @param isOnlyBefore - all operations that write it are in the list; otherwise only those after the last label count
 */
export function rangeBehind(
  list: readonly Operation[],
  { reg, type }: NumberValue,
  isOnlyBefore: boolean,
): Range {
  const whole = rangeOfType(type)
  const from = isOnlyBefore ? 0 : list.findLastIndex(({ op }) => op === 'label') + 1
  const writes = list.slice(from).filter((operation) => written(operation) === reg)
  if (!isOnlyBefore) return rangeOfAll(writes.slice(-1), list, type, whole, 4)
  // The verifier also knows what is counted from a value that it knows.
  const first = writes.filter((operation) => !isCounting(operation, reg, list, 4))
  return rangeOfAll(first, list, type, whole, 4)
}

/** Whether an operation adds a constant to a register, or subtracts one. */
function isCounting(operation: Operation, reg: Reg, list: readonly Operation[], depth: number): boolean {
  const only = (one: Reg): Operation | undefined => {
    const [first, ...others] = list.filter((operation) => written(operation) === one)
    return others.length === 0 ? first : undefined
  }
  if (operation.op === 'alu' && /^(add|sub)$/.test(operation.operation) && operation.a === reg)
    return 'imm' in operation.b || only(operation.b.reg)?.op === 'const'
  const from =
    operation.op === 'move'
      ? operation.s
      : operation.op === 'alu' || operation.op === 'sext'
        ? operation.a
        : undefined
  const before = from === undefined || depth === 0 ? undefined : only(from)
  return before !== undefined && isCounting(before, reg, list, depth - 1)
}

/** The values that a number can have after any one of some operations has written it. */
function rangeOfAll(
  writes: readonly Operation[],
  list: readonly Operation[],
  type: IntType,
  whole: Range,
  depth: number,
): Range {
  const [first, ...others] = writes.map((operation) => rangeOf(operation, list, type, whole, depth))
  if (first === undefined) return whole
  let [least, most] = first
  for (const [a, b] of others) {
    if (a < least) least = a
    if (b > most) most = b
  }
  return least < whole[0] || most > whole[1] ? whole : [least, most]
}

function rangeOf(
  operation: Operation,
  list: readonly Operation[],
  type: IntType,
  whole: Range,
  depth: number,
): Range {
  const writesOf = (reg: Reg): Operation[] => list.filter((one) => written(one) === reg)
  switch (operation.op) {
    case 'const': {
      if (operation.core !== undefined) return whole
      const bits = type.size * 8
      const value = type.signed ? BigInt.asIntN(bits, operation.value) : BigInt.asUintN(bits, operation.value)
      return [value, value]
    }
    case 'load':
      return type.signed || operation.size === 8 ? whole : [0n, (1n << BigInt(operation.size * 8)) - 1n]
    case 'alu': {
      // The verifier knows no more of a remainder than of any number.
      const { operation: kind, b } = operation
      if (kind !== 'and') return whole
      const most = 'imm' in b ? BigInt(b.imm) : rangeOfAll(writesOf(b.reg), list, type, whole, 0)[1]
      return most < 0n ? whole : [0n, most]
    }
    case 'move':
      return depth === 0 ? whole : rangeOfAll(writesOf(operation.s), list, type, whole, depth - 1)
    default:
      return whole
  }
}

/** Whether the condition of a loop always holds. */
export function isAlwaysTrue({ node: { operator }, bound, variable }: Limit): boolean {
  const [least, most] = rangeOfType(variable.type)
  switch (operator) {
    case '<':
      return bound > most
    case '<=':
      return bound >= most
    case '>':
      return bound < least
    case '>=':
      return bound <= least
    default:
      return bound < least || bound > most
  }
}

/** Whether a statement can leave the loop that it is in. */
export function leaves(node: ast.Node): boolean {
  if (node.type === 'BreakStatement' || node.type === 'ReturnStatement') return true
  return (Object.values(node) as unknown[]).some((child) =>
    (Array.isArray(child) ? child : [child]).some(
      (one) => typeof one === 'object' && one !== null && 'type' in one && leaves(one as ast.Node),
    ),
  )
}

/**
 * How many rounds there are at most, or undefined if the number may wrap around before the loop ends.
 *
 * @param isAskedAfter - the first round comes before the condition, as in do ... while
 */
export function roundsOf(
  { node: { operator }, bound, variable }: Limit,
  step: bigint,
  start: Range,
  isAskedAfter: boolean,
): bigint | undefined {
  const type = rangeOfType(variable.type)
  const [least, most]: Range = isAskedAfter ? [start[0] + step, start[1] + step] : start
  if (least < type[0] || most > type[1]) return undefined
  const by = step < 0n ? -step : step
  if (by === 0n) return undefined
  const isUp = step > 0n
  if (operator === '!==') {
    const distance = isUp ? bound - least : least - bound
    return least === most && distance >= 0n && distance % by === 0n ? distance / by : undefined
  }
  if (operator.startsWith('<') !== isUp) return undefined
  const more = operator.endsWith('=') ? 1n : 0n
  const distance = (isUp ? bound - least : most - bound) + more
  if (distance <= 0n) return 0n
  const rounds = (distance + by - 1n) / by
  // The number that ends the loop.
  const furthest = isUp ? bound + more - 1n + by : bound - more + 1n - by
  const last = least === most ? least + rounds * step : furthest
  return last < type[0] || last > type[1] ? undefined : rounds
}
