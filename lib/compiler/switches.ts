// What `break` leaves, and switch.
import type { NumericValue } from './builder.js'
import { ConditionCompiler } from './conditions.js'
import type { Located } from './source.js'
import type { ast } from './syntax.js'
import { type ConstantValue, type PointerState, type Scope, stateAt, type Variable } from './values.js'

/** What `break` and `continue` leave. */
export interface Breakable {
  readonly end: string
  /** Where the next round begins; undefined for `switch`. */
  readonly next: string | undefined
  readonly scope: Scope
  readonly label: string | undefined
  /** Called when control leaves it for something further out. */
  readonly leave?: () => void
  /** What is known about pointers at each `break` out of a switch. */
  readonly exits?: Scope[]
}

/** A case of a switch, with the code that it goes to. */
interface Case {
  readonly constant: ConstantValue
  readonly label: string
  readonly node: ast.Node
}

/** Up to this many cases are compared one after the other. */
const fewCases = 4

export abstract class SwitchCompiler extends ConditionCompiler {
  protected loops: Breakable[] = []

  /** Compiles statements. Returns whether control never gets past them. */
  protected abstract block(statements: readonly ast.Statement[], outer: Scope): boolean
  protected abstract statement(node: ast.Statement, scope: Scope): boolean
  protected abstract expectGivenBack(scope: Scope, outer: Scope | undefined, at: Located): void
  protected abstract merge(
    name: string,
    variable: Variable,
    states: readonly PointerState[],
    node: ast.Node,
    what?: string,
  ): PointerState

  /** Compiles a switch. Returns whether control never gets past it. */
  protected switch(node: ast.SwitchStatement, outer: Scope, label: string | undefined): boolean {
    const value = this.numeric(node.discriminant, outer)
    const end = this.newLabel()
    const exits: Scope[] = []
    const labels = node.cases.map(() => this.newLabel())
    const seen = new Set<bigint>()
    const tests: Case[] = []
    for (const [i, one] of node.cases.entries()) {
      if (!one.test) continue
      this.at = one.test.start ?? this.at
      const constant = this.expression(one.test, outer)
      if (constant.kind !== 'constant') this.source.fail(one.test, 'a case is a constant number')
      if (seen.has(constant.value)) this.source.fail(one.test, `the case ${constant.value} is here twice`)
      seen.add(constant.value)
      tests.push({ constant, label: labels[i]!, node: one.test })
    }
    const byDefault = node.cases.findIndex(({ test }) => !test)
    this.#choose(value, tests, byDefault < 0 ? end : labels[byDefault]!)
    if (byDefault < 0) exits.push(new Map(outer))
    this.loops.push({ end, next: undefined, scope: outer, label, exits })
    let through: Scope | undefined
    for (const [i, one] of node.cases.entries()) {
      this.label(labels[i]!)
      const scope = new Map(outer)
      // What falls through from the case above comes here as well.
      if (through !== undefined) this.#join(scope, outer, [outer, through], one)
      const isLast = i === node.cases.length - 1
      const ends = this.block(one.consequent, scope)
      through = ends ? undefined : scope
      if (through !== undefined && isLast) exits.push(through)
    }
    this.loops.pop()
    this.label(end)
    this.#join(outer, new Map(outer), exits, node)
    return exits.length === 0
  }

  /** Goes to the case of a number. Many cases become a tree of comparisons, so that each is reached in few steps. */
  #choose(value: NumericValue, cases: readonly Case[], otherwise: string): void {
    const types = new Set(cases.map(({ constant }) => this.common(value, constant)))
    const [type] = types
    if (cases.length <= fewCases || type === undefined || types.size > 1) {
      for (const { constant, label, node } of cases) {
        this.at = node.start ?? this.at
        this.compare('eq', value, constant, label, node)
      }
      this.jump(otherwise)
      return
    }
    const seen = new Set<bigint>()
    const sorted = cases
      .map((one) => ({ ...one, constant: this.convert(one.constant, type, one.node, true) as ConstantValue }))
      // Truncated to the type of the switch, a later case may be the same as an earlier one.
      .filter(({ constant }) => !seen.has(constant.value) && seen.add(constant.value))
      .sort((a, b) => (a.constant.value < b.constant.value ? -1 : 1))
    this.#chooseSorted(value, sorted, otherwise)
  }

  #chooseSorted(value: NumericValue, cases: readonly Case[], otherwise: string): void {
    if (cases.length <= fewCases) {
      this.#choose(value, cases, otherwise)
      return
    }
    const middle = cases.length >> 1
    const { constant, node } = cases[middle]!
    const upper = this.newLabel()
    this.compare('ge', value, constant, upper, node)
    this.#chooseSorted(value, cases.slice(0, middle), otherwise)
    this.label(upper)
    this.#chooseSorted(value, cases.slice(middle), otherwise)
  }

  /** What is known about pointers where several paths meet. */
  #join(scope: Scope, names: Scope, ways: readonly Scope[], node: ast.Node): void {
    for (const [name, variable] of names) {
      if (variable.state === undefined) continue
      const states = ways.map((one) => stateAt(one, name, variable))
      scope.set(name, { ...variable, state: this.merge(name, variable, states, node, 'this switch') })
    }
  }
}
