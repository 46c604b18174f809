// Conditions: jumps for `if` and loops, and what is known about pointers on both sides of them.
import type { NumericValue } from './builder.js'
import { ExpressionCompiler } from './expressions.js'
import { type Comparison, inverse } from './ir.js'
import type { ast } from './syntax.js'
import { compareText, textComparison } from './text.js'
import { bool, type IntType, integerOf } from './types.js'
import { readUser } from './user-memory.js'
import { type ConstantValue, isNullable, type PointerState, type Scope, type Value } from './values.js'

/** What is known on one side of a condition: names of pointers, and whether they are null. */
export type Facts = readonly (readonly [name: string, state: PointerState])[]

const comparisons: Readonly<Record<string, Comparison>> = {
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
  '===': 'eq',
  '!==': 'ne',
}

export abstract class ConditionCompiler extends ExpressionCompiler {
  /** Goes to `no` where a condition does not hold, and returns what is known on both sides. */
  condition(node: ast.Expression, scope: Scope, no: string, negated: boolean): { yes: Facts; no: Facts } {
    this.at = node.start ?? this.at
    if (node.type === 'ParenthesizedExpression') return this.condition(node.expression, scope, no, negated)
    if (node.type === 'UnaryExpression' && node.operator === '!') {
      return this.condition(node.argument, scope, no, !negated)
    }
    if (node.type === 'LogicalExpression' && node.operator !== '??') {
      const { left, right } = node
      const goesOnly = (node.operator === '&&') !== negated
      if (goesOnly) {
        const first = this.condition(left, scope, no, negated)
        const inner = new Map(scope)
        know(inner, first.yes)
        const second = this.condition(right, inner, no, negated)
        return { yes: [...first.yes, ...second.yes], no: [] }
      }
      const yes = this.newLabel()
      // Holds if the left side does, so the left side is asked for the opposite.
      const first = this.condition(left, scope, yes, !negated)
      const inner = new Map(scope)
      know(inner, first.yes)
      const second = this.condition(right, inner, no, negated)
      this.label(yes)
      return { yes: [], no: [...first.yes, ...second.no] }
    }
    const texts = textComparison(node)
    if (texts !== undefined) {
      compareText(this, texts, texts.isNegated !== negated, no, scope)
      return { yes: [], no: [] }
    }
    const nullCheck = nullComparison(node)
    if (nullCheck !== undefined)
      return this.#present(nullCheck.node, scope, no, nullCheck.isPresent === negated)
    if (node.type === 'BinaryExpression' && Object.hasOwn(comparisons, node.operator)) {
      const comparison = comparisons[node.operator]!
      const left = this.expectNumeric(this.rvalue(node.left as ast.Expression, scope), node.left)
      const right = this.expectNumeric(this.rvalue(node.right, scope), node.right)
      this.compare(negated ? comparison : inverse[comparison]!, left, right, no, node)
      return { yes: [], no: [] }
    }
    if (node.type === 'BinaryExpression' && (node.operator === '==' || node.operator === '!=')) {
      this.source.fail(
        node,
        `'${node.operator}' converts its sides in TypeScript, and the kernel side does not`,
        `Write ${node.operator}=.`,
      )
    }
    return this.#present(node, scope, no, negated)
  }

  /** A condition that is a number, which holds if it is not 0, or a pointer, which holds if it is not null. */
  #present(node: ast.Expression, scope: Scope, no: string, negated: boolean): { yes: Facts; no: Facts } {
    const found = this.expression(node, scope)
    const value =
      found.kind === 'kernel place'
        ? this.readKernel(found, node)
        : found.kind === 'user place'
          ? readUser(this, found, node)
          : found
    const isPointer = 'reg' in value && value.reg !== undefined && value.kind !== 'number'
    if (isPointer) {
      this.push({
        op: 'branch',
        comparison: negated ? 'ne' : 'eq',
        bits: 64,
        a: value.reg,
        b: { imm: 0 },
        to: no,
      })
      const name = node.type === 'Identifier' ? node.name : undefined
      if (name === undefined || !isNullable(value)) return { yes: [], no: [] }
      const [present, absent]: [Facts, Facts] = [[[name, 'present']], [[name, 'absent']]]
      return negated ? { yes: absent, no: present } : { yes: present, no: absent }
    }
    const number = this.numberOf(value, node)
    this.compare(negated ? 'ne' : 'eq', number, zeroLike(number), no, node)
    return { yes: [], no: [] }
  }

  /** The value of a condition, as a bool. */
  protected override truth(node: ast.Expression, scope: Scope): Value {
    const no = this.newLabel()
    const reg = this.newReg()
    this.push({ op: 'const', d: reg, value: 0n })
    this.condition(node, scope, no, false)
    this.push({ op: 'const', d: reg, value: 1n })
    this.label(no)
    return { kind: 'number', reg, type: bool }
  }

  /** `test ? a : b`, of numbers. */
  protected override choice(node: ast.ConditionalExpression, scope: Scope): Value {
    const no = this.newLabel()
    const facts = this.condition(node.test, scope, no, false)
    const [yesScope, noScope] = [new Map(scope), new Map(scope)]
    know(yesScope, facts.yes)
    know(noScope, facts.no)
    return this.#either(node, no, [node.consequent, yesScope], [node.alternate, noScope])
  }

  /** `a || b` is `a` unless that is 0, and `a && b` is `b` unless `a` is 0. Of comparisons it is true or false. */
  protected override logical(node: ast.LogicalExpression, scope: Scope): Value {
    const { operator, left, right } = node
    // If the right side is a truth value, only whether the left side is 0 matters.
    if (isTruth(right) && (operator === '&&' || isTruth(left))) return this.truth(node, scope)
    const no = this.newLabel()
    const comparison = operator === '||' ? 'eq' : 'ne'
    return this.#either(node, no, [left, scope], [right, new Map(scope)], (first) =>
      this.compare(comparison, first, zeroLike(first), no, left),
    )
  }

  /** `counts.get(1)?.value ?? 0`: the right side where a pointer on the left is null. */
  protected override coalesce(node: ast.LogicalExpression, scope: Scope): Value {
    const no = this.newLabel()
    const outer = this.whereNull
    this.whereNull = { label: no, used: false }
    const value = this.#either(node, no, [node.left, scope], [node.right, scope], () => {
      const { used } = this.whereNull!
      this.whereNull = outer
      if (used) return
      this.source.fail(
        node.left,
        `${this.text(node.left)} is never null`,
        "'??' gives another value where a pointer is null: counts.get(1)?.value ?? 0.",
      )
    })
    return value
  }

  /** The value of the first expression, or that of the second, after the label. */
  #either(
    node: ast.Expression,
    no: string,
    [first, firstScope]: [ast.Expression, Scope],
    [second, secondScope]: [ast.Expression, Scope],
    between?: (first: NumericValue) => void,
  ): Value {
    const end = this.newLabel()
    const reg = this.newReg()
    const left = this.expectNumeric(this.rvalue(first, firstScope), first)
    between?.(left)
    const leftAt = this.list.length
    this.jump(end)
    this.label(no)
    const right = this.expectNumeric(this.rvalue(second, secondScope), second)
    const areTruths = left.type?.name === 'bool' && right.type?.name === 'bool'
    const type = areTruths
      ? bool
      : left.kind === 'constant' && right.kind === 'constant'
        ? smallestFor(left, right)
        : this.common(left, right)
    this.push({ op: 'move', d: reg, s: this.inReg(this.side(right, type, node)), bits: 64 })
    this.label(end)
    // The left side can be converted only now that the type of the right side is known.
    const rest = this.list.splice(leftAt)
    this.push({ op: 'move', d: reg, s: this.inReg(this.side(left, type, node)), bits: 64 })
    this.list.push(...rest)
    return { kind: 'number', reg, type }
  }
}

/** What a number is compared with to see whether it is 0. A null pointer is one. */
const zeroLike = ({ type }: NumericValue): ConstantValue => ({
  kind: 'constant',
  value: 0n,
  ...(type?.user && { type }),
})

/** Two constants have no size of their own: the smallest type with room for both fits wherever they would. */
function smallestFor(...values: readonly ConstantValue[]): IntType {
  const isSigned = values.some(({ value }) => value < 0n)
  const fits = (bits: number): boolean =>
    values.every(
      ({ value }) => value === (isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)),
    )
  return integerOf([1, 2, 4].find((size) => fits(size * 8)) ?? 8, isSigned)
}

/** Whether an expression, by its syntax, can only be true or false. */
function isTruth(node: ast.Node): boolean {
  switch (node.type) {
    case 'ParenthesizedExpression':
      return isTruth(node.expression)
    case 'BooleanLiteral':
      return true
    case 'UnaryExpression':
      return node.operator === '!'
    case 'BinaryExpression':
      return /^([!=]==?|[<>]=?)$/.test(node.operator)
    case 'LogicalExpression':
      return node.operator !== '??' && isTruth(node.left) && isTruth(node.right)
  }
  return false
}

export function know(scope: Scope, facts: Facts): void {
  for (const [name, state] of facts) {
    const variable = scope.get(name)
    if (variable?.state === 'maybe') scope.set(name, { ...variable, state })
  }
}

/** `x === null`, `x !== undefined` and their like. */
function nullComparison(node: ast.Expression): { node: ast.Expression; isPresent: boolean } | undefined {
  if (node.type !== 'BinaryExpression' || !/^[!=]==?$/.test(node.operator)) return undefined
  const isNull = (one: ast.Node): boolean =>
    one.type === 'NullLiteral' || (one.type === 'Identifier' && one.name === 'undefined')
  const side = isNull(node.right) ? node.left : isNull(node.left) ? node.right : undefined
  return side && { node: side as ast.Expression, isPresent: node.operator.startsWith('!') }
}
