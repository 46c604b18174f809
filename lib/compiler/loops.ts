// Loops. The verifier has to see that a loop ends: either it follows each round, or an iterator or may_goto counts
// them.
import type { NumericValue } from './builder.js'
import { type Facts, know } from './conditions.js'
import { type Operand, type Reg, written } from './ir.js'
import { numberIterator } from './iterators.js'
import { eachCall, type KernelIterator, openIterator } from './kernel-iterators.js'
import {
  assignedIn,
  isAlwaysTrue,
  type Limit,
  leaves,
  limitOf,
  rangeBehind,
  rangeOfType,
  roundsOf,
  stepOf,
} from './rounds.js'
import { type Breakable, SwitchCompiler } from './switches.js'
import type { ast } from './syntax.js'
import { type IntType, integerOf, s32, u32 } from './types.js'
import { type NumberValue, owedOf, type Scope, type Value, writtenName } from './values.js'

/** The most rounds that a loop may have if the verifier follows each of them. */
const mostRounds = 8192
/** The most rounds that the kernel counts: BPF_MAX_LOOPS. */
const mostCounted = 8 * 1024 * 1024

/** The values of a variable that counts the rounds of a loop. */
interface Values {
  readonly rounds: bigint
  readonly start: bigint
  readonly step: bigint
  readonly type: IntType
}

/** A scope with what a condition says about pointers, unless they are assigned to. */
function knowing(scope: Scope, facts: Facts, assigned: ReadonlySet<string> = new Set()): Scope {
  const inner = new Map(scope)
  know(
    inner,
    facts.filter(([name]) => !assigned.has(name)),
  )
  return inner
}

export abstract class LoopCompiler extends SwitchCompiler {
  /** A loop or switch, which may have a label. */
  protected breakable(node: ast.Statement, scope: Scope, label?: string): boolean {
    if (node.type !== 'SwitchStatement') this.#forgetPointers(node, scope)
    switch (node.type) {
      case 'ForStatement':
        return this.#for(node, scope, label)
      case 'ForOfStatement':
        return this.#forOf(node, scope, label)
      case 'WhileStatement':
        return this.#while(node, scope, label)
      case 'DoWhileStatement':
        return this.#doWhile(node, scope, label)
      case 'SwitchStatement':
        return this.switch(node, scope, label)
    }
    this.source.fail(node, 'a label is only allowed before a loop or a switch')
  }

  // ---- Loops that the verifier follows

  #for(node: ast.ForStatement, outer: Scope, label: string | undefined): boolean {
    const scope = new Map(outer)
    if (node.init) {
      if (node.init.type === 'VariableDeclaration') this.statement(node.init, scope)
      else this.expression(node.init, scope)
      this.#forgetPointers(node, scope)
    }
    const { test, update } = node
    const next = (scope: Scope): void => {
      if (!update) return
      this.at = update.start ?? this.at
      this.expression(update, scope)
    }
    const limit = test ? this.#limitOf(test, scope) : undefined
    const rounds = limit && this.#roundsOf(limit, [update, node.body], scope)
    const isSteady = limit !== undefined && !leaves(node.body) && !assignedIn(node.body).has(limit.name)
    if (isSteady && rounds?.goesAround) this.#failAround(limit)
    const isOwn = node.init?.type === 'VariableDeclaration' && limit?.node === test
    if (rounds?.isFollowed) this.#followed(test!, node.body, scope, label, next)
    else if (rounds?.values !== undefined && isOwn && !assignedIn(node.body).has(limit!.name))
      this.#rangeOfKernel(rounds.values, limit!.name, test!, node.body, scope, label)
    else this.#counted(test ?? undefined, node, scope, label, next)
    return false
  }

  #while(node: ast.WhileStatement, outer: Scope, label: string | undefined): boolean {
    const scope = new Map(outer)
    const limit = this.#limitOf(node.test, scope)
    const rounds = limit && this.#roundsOf(limit, [node.body], scope)
    if (rounds?.isFollowed) this.#followed(node.test, node.body, scope, label, () => {})
    else this.#counted(node.test, node, scope, label, () => {})
    return false
  }

  #doWhile(node: ast.DoWhileStatement, outer: Scope, label: string | undefined): boolean {
    const scope = new Map(outer)
    const limit = this.#limitOf(node.test, scope)
    const rounds = limit && this.#roundsOf(limit, [node.body], scope, true)
    const [top, next, end] = [this.newLabel(), this.newLabel(), this.newLabel()]
    const counter = rounds?.isFollowed ? undefined : this.#counter(node, node, end, scope)
    this.label(top)
    counter?.round()
    this.#body(node.body, scope, { end, next, label, ...(counter && { leave: counter.leave }) })
    this.label(next)
    this.condition(node.test, scope, end, false)
    this.jump(top)
    this.label(end)
    if (counter !== undefined) this.#finished(top, end)
    counter?.leave()
    return false
  }

  /** A loop whose rounds the verifier follows: its condition is checked again at its end. */
  #followed(
    test: ast.Expression,
    body: ast.Statement,
    scope: Scope,
    label: string | undefined,
    update: (scope: Scope) => void,
  ): void {
    const [top, next, end] = [this.newLabel(), this.newLabel(), this.newLabel()]
    const { yes } = this.condition(test, scope, end, false)
    this.label(top)
    this.#body(body, knowing(scope, yes), { end, next, label })
    this.label(next)
    update(knowing(scope, yes, assignedIn(body)))
    this.condition(test, scope, top, true)
    this.label(end)
  }

  /** A loop whose rounds the kernel counts. */
  #counted(
    test: ast.Expression | undefined,
    node: ast.ForStatement | ast.WhileStatement,
    scope: Scope,
    label: string | undefined,
    update: (scope: Scope) => void,
  ): void {
    const [top, next, end] = [this.newLabel(), this.newLabel(), this.newLabel()]
    const counter = this.#counter(test ?? node, node, end, scope)
    this.label(top)
    counter.round()
    const { yes } = test ? this.condition(test, scope, end, false) : { yes: [] }
    this.#body(node.body, knowing(scope, yes), { end, next, label, leave: counter.leave })
    this.label(next)
    update(knowing(scope, yes, assignedIn(node.body)))
    this.jump(top)
    this.label(end)
    this.#finished(top, end)
    counter.leave()
  }

  /** What ends a loop after 8 million rounds, whatever its condition says. */
  #counter(
    at: ast.Node,
    loop: ast.Node,
    end: string,
    scope: Scope,
  ): { round: () => void; leave: () => void } {
    this.expectKernel(
      '5.17',
      at,
      'a loop whose end the kernel has to find',
      'Write for (const i of range(100)) { ... }, and leave it with break.',
    )
    this.#forgetAssigned(loop, scope)
    if (this.unit.has('6.9') || this.#usesFunctions)
      return { round: () => this.push({ op: 'mayGoto', to: end }), leave: () => {} }
    const zero = { kind: 'constant', value: 0n } as const
    const iterator = this.#iterator(zero, { kind: 'constant', value: BigInt(mostCounted) })
    return {
      round: () =>
        this.push({ op: 'branch', comparison: 'eq', bits: 64, a: iterator.next(), b: { imm: 0 }, to: end }),
      leave: iterator.destroy,
    }
  }

  /** A variable that a loop makes point to something else may be null in the next round, and after the loop. */
  #forgetPointers(loop: ast.Node, scope: Scope): void {
    for (const name of assignedIn(loop)) {
      const variable = scope.get(name)
      if (variable?.value.kind === 'pointer' && variable.mutable)
        scope.set(name, { ...variable, state: 'maybe' })
    }
  }

  /** Registers of which the verifier knows nothing after a loop. */
  readonly #forgotten = new Set<Reg>()

  /**
   * The verifier would follow each value of a variable whose first value it knows; and before Linux 6.8, it takes a
   * function that is called for each round for one that is called once. So it is made to forget the values of variables
   * that the loop assigns to: it knows nothing about a number that is stored in two halves, unless both are 0.
   */
  #forgetAssigned(loop: ast.Node, scope: Scope): void {
    for (const name of assignedIn(loop)) {
      const variable = scope.get(name)
      if (variable?.value.kind !== 'number' || !variable.mutable) continue
      const { reg } = variable.value
      this.#forgotten.add(reg)
      const [low, high] = [this.newReg(), this.newReg()]
      const offset = this.scratchSlot()
      // Adds one, since a number that the verifier knows would mostly be 0.
      this.push({ op: 'alu', operation: 'add', bits: 64, d: low, a: reg, b: { imm: 1 } })
      this.push({ op: 'alu', operation: 'rsh', bits: 64, d: high, a: low, b: { imm: 32 } })
      this.push({ op: 'store', base: 'frame', offset, size: 4, value: { reg: low } })
      this.push({ op: 'store', base: 'frame', offset: offset + 4, size: 4, value: { reg: high } })
      this.push({ op: 'load', d: reg, base: 'frame', offset, size: 8 })
      this.push({ op: 'alu', operation: 'sub', bits: 64, d: reg, a: reg, b: { imm: 1 } })
    }
  }

  /** Whether the oldest kernel has bpf_loop, and no iterators yet. */
  get #usesFunctions(): boolean {
    return this.unit.has('5.17') && !this.unit.has('6.4')
  }

  /** A loop that is finished becomes a function, if the kernel counts its rounds by calling one. */
  #finished(top: string, end: string, rounds: Operand = { imm: mostCounted }): void {
    if (this.#usesFunctions) this.countedLoops.push({ top, end, rounds })
  }

  #iterator(start: Parameters<LoopCompiler['inReg']>[0], end: Parameters<LoopCompiler['inReg']>[0]) {
    const slot = this.newSlot(8)
    const [first, last] = [this.inReg(start), this.inReg(end)]
    this.callKfunc(numberIterator.create, [{ frame: slot }, { reg: first }, { reg: last }])
    return {
      next: (): Reg => this.callKfunc(numberIterator.next, [{ frame: slot }]),
      destroy: (): void => void this.callKfunc(numberIterator.destroy, [{ frame: slot }]),
    }
  }

  #limitOf(test: ast.Expression, scope: Scope): Limit | undefined {
    const limit = limitOf(test, scope, (node, scope) => this.constantOf(node, scope))
    if (limit?.node !== test || !isAlwaysTrue(limit)) return limit
    const { name, variable } = limit
    const { signed, size } = variable.type
    const hint =
      signed || /^</.test(limit.node.operator)
        ? `Give '${name}' a larger type, or write while (true) and leave the loop with break.`
        : `Numbers without a sign are never less than 0. Write let ${name}: s${Math.max(size, 4) * 8}.`
    return this.source.fail(test, `this is always true: '${name}' is a ${variable.type.name}`, hint)
  }

  /**
   * What is known about the rounds of a loop: whether the verifier can follow them, and otherwise the values of its
   * variable, if they are always the same.
   */
  #roundsOf(
    limit: Limit,
    steps: readonly (ast.Node | null | undefined)[],
    scope: Scope,
    isAskedAfter = false,
  ): { isFollowed: boolean; goesAround?: boolean; values?: Values } | undefined {
    const { name, variable, node } = limit
    const step = steps.reduce<bigint | undefined>(
      (found, one) => found ?? stepOf(name, one, scope, (node, scope) => this.constantOf(node, scope)),
      undefined,
    )
    if (step === undefined) return undefined
    const isOfOuterLoop = this.loops.some(
      (loop) => loop.next !== undefined && loop.scope.get(name)?.value === variable,
    )
    const start = this.#forgotten.has(variable.reg)
      ? rangeOfType(variable.type)
      : rangeBehind(this.list, variable, !isOfOuterLoop)
    // If an earlier loop has counted the variable, its first value is not where this loop begins.
    const isFresh = this.list.filter((operation) => written(operation) === variable.reg).length === 1
    const rounds = roundsOf(limit, step, start, isAskedAfter && isFresh)
    if (rounds !== undefined && rounds <= BigInt(mostRounds)) return { isFollowed: true }
    // An old kernel cannot count them, and its verifier may know more about the first value.
    const cannotCount = this.target.oldestKernel !== undefined && !this.unit.has('5.17')
    const [least, most] = rangeOfType(variable.type)
    const isUnknown = start[0] === least && start[1] === most
    if (cannotCount && start[0] !== start[1] && (rounds !== undefined || isUnknown))
      return { isFollowed: true }
    if (rounds === undefined && start[0] === start[1] && node.operator.startsWith('<') === step > 0n)
      return { isFollowed: false, goesAround: node.operator !== '!==' }
    if (rounds === undefined || start[0] !== start[1] || node.operator === '!==') return { isFollowed: false }
    this.#expectCounted(rounds, node)
    return { isFollowed: false, values: { rounds, start: start[0], step, type: variable.type } }
  }

  #failAround({ node, name, variable: { type } }: Limit): never {
    const [least, most] = rangeOfType(type)
    const size = Math.max(type.size, 4) * 8
    return this.source.fail(
      node,
      node.operator.startsWith('<')
        ? `'${name}' wraps around before this is false: a ${type.name} starts again at ${least} after ${most}`
        : `'${name}' wraps around before this is false: a ${type.name} continues at ${most} below ${least}`,
      `Write let ${name}: ${type.signed || node.operator.startsWith('<') ? 's64' : `s${size}`}, or leave the loop with break.`,
    )
  }

  #expectCounted(rounds: bigint, node: ast.Node): void {
    this.expectKernel(
      '5.17',
      node,
      `a loop of more than ${mostRounds} rounds`,
      'The verifier follows each round of a loop there.',
    )
    if (rounds <= BigInt(mostCounted)) return
    this.source.fail(
      node,
      `a loop can have ${mostCounted} rounds at most, and this one has ${rounds}`,
      'The kernel does not let a program run for longer. Do the rest another time, or put a loop into a loop.',
    )
  }

  // ---- for (const i of range(n))

  #forOf(node: ast.ForOfStatement, outer: Scope, label: string | undefined): boolean {
    const { left, right } = node
    const isRange =
      right.type === 'CallExpression' && right.callee.type === 'Identifier' && right.callee.name === 'range'
    const id = left.type === 'VariableDeclaration' ? left.declarations[0]?.id : undefined
    const each = eachCall(right, outer)
    if (each !== undefined) {
      if (id?.type !== 'Identifier')
        this.source.fail(left, 'what a loop goes over has a name', 'Write for (const task of each.task()).')
      this.#each(each, id.name, node.body, new Map(outer), label)
      return false
    }
    if (!isRange || id?.type !== 'Identifier') {
      const isMap = right.type === 'Identifier' && this.module.maps.has(right.name)
      this.source.fail(
        node,
        'a loop goes over a range of numbers here',
        isMap
          ? `The entries of a map are passed to a function: ${right.name}.forEach((key, value) => { ... }).`
          : 'Write for (const i of range(10)) { ... }.',
      )
    }
    const [count, most] = right.arguments as ast.Expression[]
    if (count === undefined || right.arguments.length > 2)
      this.source.fail(right, 'range needs its number of rounds', 'Write range(10), or range(n, 64).')
    const rounds = this.constantOf(count, outer)
    const limit = most === undefined ? undefined : this.constantOf(most, outer)
    if (most !== undefined && limit === undefined)
      this.source.fail(most, 'the second argument of range is the most rounds, a constant')
    const bound = rounds ?? limit
    if (bound !== undefined && bound < 0n) this.source.fail(right, 'a range has no rounds below 0')
    if (bound !== undefined && bound > BigInt(mostRounds)) this.#expectCounted(bound, right)
    const scope = new Map(outer)
    if (bound !== undefined && bound <= BigInt(mostRounds)) {
      this.#constantRange(count, Number(bound), rounds !== undefined, id.name, node, scope, label)
    } else if (rounds !== undefined) {
      const values = { rounds, start: 0n, step: 1n, type: u32 }
      this.#rangeOfKernel(values, id.name, right, node.body, scope, label)
    } else this.#runtimeRange(count, Number(limit ?? mostCounted), id.name, node, scope, label)
    return false
  }

  protected constantOf(node: ast.Expression, scope: Scope): bigint | undefined {
    const value = node.type === 'Identifier' ? scope.get(node.name)?.value : undefined
    return value?.kind === 'constant' ? value.value : this.module.constant(node)
  }

  #constantRange(
    count: ast.Expression,
    bound: number,
    isConstant: boolean,
    name: string,
    node: ast.ForOfStatement,
    scope: Scope,
    label: string | undefined,
  ): void {
    if (bound === 0) return
    const reg = this.newReg()
    const counter: NumberValue = { kind: 'number', reg, type: u32, below: bound, isFollowed: true }
    // A copy: the loop may change the variable that holds the number of rounds.
    const rounds = isConstant ? undefined : this.newReg()
    if (rounds !== undefined) {
      const given = this.inReg(this.convert(this.numeric(count, scope), integerOf(4, false), count))
      this.push({ op: 'move', d: rounds, s: given, bits: 64 })
    }
    this.push({ op: 'const', d: reg, value: 0n })
    scope.set(name, { value: counter, mutable: false, isRound: true })
    const [top, next, end] = [this.newLabel(), this.newLabel(), this.newLabel()]
    const isOver = (to: string): void => {
      if (rounds !== undefined)
        this.push({ op: 'branch', comparison: 'ge', bits: 32, a: reg, b: { reg: rounds }, to })
    }
    isOver(end)
    this.label(top)
    this.#body(node.body, scope, { end, next, label })
    this.label(next)
    this.push({ op: 'alu', operation: 'add', bits: 32, d: reg, a: reg, b: { imm: 1 } })
    isOver(end)
    this.push({ op: 'branch', comparison: 'lt', bits: 32, a: reg, b: { imm: bound }, to: top })
    this.label(end)
  }

  #runtimeRange(
    count: ast.Expression,
    most: number,
    name: string,
    node: ast.ForOfStatement,
    scope: Scope,
    label: string | undefined,
  ): void {
    this.expectKernel(
      '5.17',
      count,
      'a range whose end is not a constant',
      `Say how many rounds there are at most: range(${this.text(count)}, 64).`,
    )
    const rounds = this.#atMost(this.convert(this.numeric(count, scope), u32, count), most)
    this.#rounds(rounds, (reg) => ({ kind: 'number', reg, type: u32 }), name, node.body, scope, label)
  }

  /** A loop with a known number of rounds, in which the kernel gives each round its number. */
  #rangeOfKernel(
    { rounds, start, step, type }: Values,
    name: string,
    node: ast.Node,
    body: ast.Statement,
    scope: Scope,
    label: string | undefined,
  ): void {
    const inRound = (reg: Reg): NumericValue => {
      const number: NumberValue = { kind: 'number', reg, type: u32 }
      const scaled = this.arithmetic('*', number, { kind: 'constant', value: step, type }, node)
      const value = this.arithmetic('+', scaled, { kind: 'constant', value: start, type }, node)
      return this.convert(value, type, node, true)
    }
    const all = { kind: 'constant', value: rounds, type: u32 } as const
    this.#rounds({ kind: 'number', reg: this.inReg(all), type: u32 }, inRound, name, body, scope, label)
  }

  /** A loop whose rounds the kernel counts. `inRound` is the value of its variable in a round. */
  #rounds(
    rounds: NumberValue,
    inRound: (round: Reg) => NumericValue,
    name: string,
    body: ast.Statement,
    scope: Scope,
    label: string | undefined,
  ): void {
    this.#forgetAssigned(body, scope)
    if (this.#usesFunctions) {
      const [top, end] = [this.newLabel(), this.newLabel()]
      const reg = this.newReg()
      this.label(top)
      this.push({ op: 'mayGoto', to: end })
      this.push({ op: 'param', d: reg, index: 0 })
      scope.set(name, { value: inRound(this.#low(reg)), mutable: false, isRound: true })
      this.#body(body, scope, { end, next: top, label })
      this.jump(top)
      this.label(end)
      this.#finished(top, end, { reg: rounds.reg })
      return
    }
    const { next, destroy } = this.#iterator({ kind: 'constant', value: 0n }, rounds)
    const element = (place: Reg): Value => {
      const reg = this.newReg()
      this.push({ op: 'load', d: reg, base: place, offset: 0, size: 4 })
      return inRound(reg)
    }
    this.#iterate({ next, element, destroy }, name, body, scope, label, true)
  }

  /** A loop over the elements of an iterator of the kernel, which is destroyed wherever the loop is left. */
  #iterate(
    { next, element, destroy }: Pick<KernelIterator, 'next' | 'element' | 'destroy'>,
    name: string,
    body: ast.Statement,
    scope: Scope,
    label: string | undefined,
    isRange = false,
  ): void {
    const [top, end] = [this.newLabel(), this.newLabel()]
    this.label(top)
    const found = next()
    this.push({ op: 'branch', comparison: 'eq', bits: 64, a: found, b: { imm: 0 }, to: end })
    scope.set(name, { value: element(found), mutable: false, ...(isRange && { isRound: true }) })
    this.#body(body, scope, { end, next: top, label, leave: destroy })
    this.jump(top)
    this.label(end)
    destroy()
  }

  /** `for (const task of each.task())` */
  #each(
    call: ast.CallExpression,
    name: string,
    body: ast.Statement,
    scope: Scope,
    label: string | undefined,
  ): void {
    const { underRcu } = this
    this.#forgetAssigned(body, scope)
    const iterator = openIterator(this, call, scope)
    this.underRcu ||= iterator.underRcu
    this.#iterate(iterator, name, body, scope, label)
    this.underRcu = underRcu
  }

  #low(s: Reg): Reg {
    const d = this.newReg()
    this.push({ op: 'move', d, s, bits: 32 })
    return d
  }

  #atMost(value: ReturnType<LoopCompiler['convert']>, most: number): NumberValue {
    const [reg, done] = [this.newReg(), this.newLabel()]
    this.push({ op: 'move', d: reg, s: this.inReg(value), bits: 64 })
    this.push({ op: 'branch', comparison: 'le', bits: 32, a: reg, b: { imm: most }, to: done })
    this.push({ op: 'const', d: reg, value: BigInt(most) })
    this.label(done)
    return { kind: 'number', reg, type: s32 }
  }

  #body(body: ast.Statement, scope: Scope, labels: Omit<Breakable, 'scope'>): void {
    const before = new Map(scope)
    this.loops.push({ ...labels, scope })
    const inner = new Map(scope)
    this.block([body], inner)
    this.loops.pop()
    for (const [name, { value, state }] of before) {
      const owed = owedOf(value)
      if (owed !== undefined && inner.get(name)?.state !== state) {
        this.source.fail(
          body,
          `the ${owed.what} '${writtenName(name)}' is released in a loop, which may run again`,
        )
      }
    }
  }

  protected leaveLoop(node: ast.BreakStatement | ast.ContinueStatement, scope: Scope): boolean {
    const label = node.label?.name
    const isContinue = node.type === 'ContinueStatement'
    const at = this.loops.findLastIndex(
      (one) => (label === undefined || one.label === label) && !(isContinue && one.next === undefined),
    )
    const target = this.loops[at]
    if (target === undefined) this.source.fail(node, 'there is no loop here to leave')
    this.expectGivenBack(scope, target.scope, node)
    for (const inner of this.loops.slice(at + 1).reverse()) inner.leave?.()
    if (!isContinue) target.exits?.push(new Map(scope))
    this.jump(isContinue ? target.next! : target.end)
    return true
  }
}
