// One function becomes operations. Statements and conditions are here; expressions.ts has the expressions.
import { ExpressionCompiler } from './expressions.js'
import type { Comparison } from './ir.js'
import type { FunctionNode } from './module.js'
import type { Located } from './source.js'
import type { ast } from './syntax.js'
import { bool, type IntType, integerOf, s32, u64 } from './types.js'
import {
  type ConstantValue,
  describeValue,
  isNullable,
  owedOf,
  type PointerState,
  type Scope,
  type Value,
  type Variable,
} from './values.js'

/** What is known on one side of a condition: names of pointers, and whether they are there. */
type Facts = readonly (readonly [name: string, state: PointerState])[]

const comparisons: Readonly<Record<string, Comparison>> = {
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
  '===': 'eq',
  '!==': 'ne',
}

const inverse: Readonly<Record<string, Comparison>> = {
  lt: 'ge',
  le: 'gt',
  gt: 'le',
  ge: 'lt',
  eq: 'ne',
  ne: 'eq',
}

/** The most rounds that a loop may have: the verifier follows each of them. */
const mostRounds = 8192

export class FunctionCompiler extends ExpressionCompiler {
  /** Where a return of the function that is being written goes. */
  #returns: { label: string; reg: number; type: IntType } | undefined
  #loops: { end: string; next: string; scope: Scope }[] = []
  readonly #calls: string[] = []

  /** Compiles the body of a program. Its scope has the arguments. */
  compileProgram(fn: FunctionNode, scope: Scope): void {
    const ends = this.#body(fn, scope)
    if (!ends) this.#return(undefined, { start: (fn.end ?? 1) - 1 }, scope)
  }

  /** Whether control does not go on behind the body. */
  #body(fn: FunctionNode, scope: Scope): boolean {
    if (fn.body.type === 'BlockStatement') return this.#block(fn.body.body, scope)
    this.#return(fn.body, fn.body, scope)
    return true
  }

  // ---- Statements. Each returns whether control does not go on behind it.

  #block(statements: readonly ast.Statement[], outer: Scope): boolean {
    const scope = new Map(outer)
    let ends = false
    for (const statement of statements) {
      if (ends) this.source.fail(statement, 'this is never reached')
      ends = this.#statement(statement, scope)
    }
    if (!ends) this.#expectGivenBack(scope, outer, { start: this.at, end: this.at + 1 })
    // What became of the names of the outer scope holds there, too.
    for (const [name, variable] of outer) {
      const inner = scope.get(name)
      if (inner !== undefined && inner.value === variable.value) outer.set(name, inner)
    }
    return ends
  }

  #statement(node: ast.Statement, scope: Scope): boolean {
    this.at = node.start ?? this.at
    switch (node.type) {
      case 'EmptyStatement':
        return false
      case 'BlockStatement':
        return this.#block(node.body, scope)
      case 'VariableDeclaration':
        for (const declaration of node.declarations) this.#declare(declaration, node.kind, scope)
        return false
      case 'ExpressionStatement':
        this.#expression(node.expression, scope)
        return false
      case 'ReturnStatement':
        this.#return(node.argument ?? undefined, node, scope)
        return true
      case 'IfStatement':
        return this.#if(node, scope)
      case 'ForStatement':
        return this.#for(node, scope)
      case 'ForOfStatement':
        return this.#forOf(node, scope)
      case 'BreakStatement':
      case 'ContinueStatement':
        return this.#leaveLoop(node, scope)
      case 'WhileStatement':
      case 'DoWhileStatement':
        this.source.fail(
          node,
          'the kernel has to see that a loop ends',
          'Write for (const i of range(100)) { ... }, and leave it with break.',
        )
    }
    this.source.fail(node, `${node.type} is not a statement of the kernel side`)
  }

  #expression(node: ast.Expression, scope: Scope): void {
    const value = this.expression(node, scope)
    const owed = owedOf(value)
    if (owed !== undefined) {
      this.source.fail(
        node,
        `this ${owed.what} is ${owed.still} and nobody can give it back`,
        `Write ${owed.withName}.`,
      )
    }
  }

  #declare(node: ast.VariableDeclarator, kind: string, scope: Scope): void {
    const { id, init } = node
    if (id.type !== 'Identifier') this.source.fail(id, 'a declaration has one name here')
    const annotation = id.typeAnnotation
    const wanted =
      annotation?.type === 'TSTypeAnnotation' ? this.module.type(annotation.typeAnnotation) : undefined
    if (!init) this.source.fail(node, `'${id.name}' needs a value`)
    if (wanted !== undefined && wanted.kind !== 'int') {
      const place = this.local(wanted, id)
      this.clear(place.base, place.offset, Math.ceil(this.sizeOf(wanted) / 8) * 8)
      this.assignTo(place, init, scope)
      scope.set(id.name, { value: place, mutable: kind !== 'const' })
      return
    }
    let value = this.expression(init, scope)
    if (value.kind === 'kernel place') value = this.readKernel(value, init)
    if (value.kind === 'place' && value.type.kind === 'int') value = this.load(value, init)
    if (value.kind === 'void') this.source.fail(init, 'this has no value')
    if (value.kind === 'number' || value.kind === 'constant') {
      value = this.#variable(value, wanted, init, kind !== 'const')
    } else if (kind !== 'const') {
      this.source.fail(id, `'${id.name}' is ${describeValue(value)}, which has to be const`)
    }
    scope.set(id.name, {
      value,
      mutable: kind !== 'const',
      ...(isNullable(value) && { state: 'maybe' as const }),
    })
  }

  /** A number in a register of its own. */
  #variable(value: Value, wanted: IntType | undefined, node: Located, isMutable: boolean): Value {
    const number = this.expectNumeric(value, node)
    if (!isMutable && number.kind === 'constant' && wanted === undefined) return number
    const type =
      wanted ?? number.type ?? (number.kind === 'constant' && number.value < 0n ? integerOf(8, true) : u64)
    const reg = this.newReg()
    this.push({ op: 'move', d: reg, s: this.inReg(this.convert(number, type, node)), bits: 64 })
    return { kind: 'number', reg, type }
  }

  #return(node: ast.Expression | undefined, at: Located, scope: Scope): void {
    const type = this.#returns?.type ?? s32
    const value = node === undefined ? { kind: 'constant' as const, value: 0n } : this.rvalue(node, scope)
    const number = this.convert(this.expectNumeric(value, node ?? at), type, node ?? at)
    this.at = at.start ?? this.at
    this.#expectGivenBack(scope, undefined, at)
    if (this.#returns === undefined) {
      this.push({ op: 'return', value: this.inReg(number) })
      return
    }
    this.push({ op: 'move', d: this.#returns.reg, s: this.inReg(number), bits: 64 })
    this.jump(this.#returns.label)
  }

  /** Records that are still reserved cannot be left behind. */
  #expectGivenBack(scope: Scope, outer: Scope | undefined, at: Located): void {
    for (const [name, { value, state }] of scope) {
      const owed = owedOf(value)
      if (owed === undefined || outer?.get(name)?.value === value) continue
      if (state !== 'maybe' && state !== 'present') continue
      this.source.fail(at, `the ${owed.what} '${name}' is still ${owed.still} here`, owed.how(name))
    }
  }

  #if(node: ast.IfStatement, scope: Scope): boolean {
    const [no, end] = [this.newLabel(), this.newLabel()]
    const facts = this.#condition(node.test, scope, no, false)
    const [yesScope, noScope] = [new Map(scope), new Map(scope)]
    know(yesScope, facts.yes)
    know(noScope, facts.no)
    const yesEnds = this.#block([node.consequent], yesScope)
    if (node.alternate && !yesEnds) this.jump(end)
    this.label(no)
    const noEnds = node.alternate ? this.#block([node.alternate], noScope) : false
    this.label(end)
    for (const [name, variable] of scope) {
      if (variable.state === undefined) continue
      const states = [...(yesEnds ? [] : [yesScope]), ...(noEnds ? [] : [noScope])].map(
        (one) => one.get(name)!.state!,
      )
      scope.set(name, { ...variable, state: this.#merge(name, variable, states, node) })
    }
    return yesEnds && noEnds
  }

  #merge(name: string, variable: Variable, states: readonly PointerState[], node: ast.Node): PointerState {
    const [first, ...others] = states
    if (first === undefined) return variable.state!
    if (others.every((state) => state === first)) return first
    const owed = owedOf(variable.value)
    if (owed === undefined) return 'maybe'
    // Nothing to give back on either way.
    if (states.every((state) => state === 'absent' || state === 'given back')) return 'given back'
    if (states.every((state) => state === 'absent' || state === 'present' || state === 'maybe'))
      return 'maybe'
    this.source.fail(
      node,
      `the ${owed.what} '${name}' is given back on one way through this if, and not on the other`,
    )
  }

  // ---- Loops

  #for(node: ast.ForStatement, outer: Scope): boolean {
    const scope = new Map(outer)
    if (node.init) {
      if (node.init.type !== 'VariableDeclaration')
        this.source.fail(node.init, 'a loop declares its variable')
      this.#statement(node.init, scope)
    }
    const { test } = node
    const limit =
      test?.type === 'BinaryExpression' && /^(<|<=|>|>=|!==)$/.test(test.operator) ? test : undefined
    const bound = limit && (this.module.constant(limit.right) ?? this.#constantName(limit.right, scope))
    if (limit === undefined || bound === undefined) {
      this.source.fail(
        test ?? node,
        'the kernel has to see that this loop ends',
        'Its condition has to compare the variable with a constant: i < 100. Leave it earlier with break.',
      )
    }
    if (bound > BigInt(mostRounds) || bound < -BigInt(mostRounds)) {
      this.source.fail(
        limit.right,
        `a loop can have ${mostRounds} rounds at most: the verifier follows each of them`,
      )
    }
    const [top, next, end] = [this.newLabel(), this.newLabel(), this.newLabel()]
    this.label(top)
    this.#condition(limit, scope, end, false)
    this.#loop([node.body], scope, { end, next })
    this.label(next)
    if (node.update) {
      this.at = node.update.start ?? this.at
      this.expression(node.update, scope)
    }
    this.jump(top)
    this.label(end)
    return false
  }

  #constantName(node: ast.Node, scope: Scope): bigint | undefined {
    const value = node.type === 'Identifier' ? scope.get(node.name)?.value : undefined
    return value?.kind === 'constant' ? value.value : undefined
  }

  /** `for (const i of range(10))` */
  #forOf(node: ast.ForOfStatement, outer: Scope): boolean {
    const { left, right } = node
    const isRange =
      right.type === 'CallExpression' && right.callee.type === 'Identifier' && right.callee.name === 'range'
    const id = left.type === 'VariableDeclaration' ? left.declarations[0]?.id : undefined
    if (!isRange || id?.type !== 'Identifier') {
      this.source.fail(
        node,
        'a loop goes over a range of numbers here',
        'Write for (const i of range(10)) { ... }.',
      )
    }
    const bound = right.arguments[0] && this.module.constant(right.arguments[0])
    if (bound === undefined || bound < 0n || bound > BigInt(mostRounds)) {
      this.source.fail(right, `range needs a constant number of rounds, ${mostRounds} at most`)
    }
    const scope = new Map(outer)
    const reg = this.newReg()
    const counter = { kind: 'number', reg, type: integerOf(4, false) } as const
    this.push({ op: 'const', d: reg, value: 0n })
    scope.set(id.name, { value: counter, mutable: false })
    const [top, next, end] = [this.newLabel(), this.newLabel(), this.newLabel()]
    this.label(top)
    this.push({ op: 'branch', comparison: 'ge', bits: 32, a: reg, b: { imm: Number(bound) }, to: end })
    this.#loop([node.body], scope, { end, next })
    this.label(next)
    this.push({ op: 'alu', operation: 'add', bits: 32, d: reg, a: reg, b: { imm: 1 } })
    this.jump(top)
    this.label(end)
    return false
  }

  #loop(body: readonly ast.Statement[], scope: Scope, labels: { end: string; next: string }): void {
    const before = new Map(scope)
    this.#loops.push({ ...labels, scope })
    const inner = new Map(scope)
    this.#block(body, inner)
    this.#loops.pop()
    for (const [name, { value, state }] of before) {
      const owed = owedOf(value)
      if (owed !== undefined && inner.get(name)?.state !== state) {
        this.source.fail(body[0]!, `the ${owed.what} '${name}' is given back in a loop, which may run again`)
      }
    }
  }

  #leaveLoop(node: ast.BreakStatement | ast.ContinueStatement, scope: Scope): boolean {
    const loop = this.#loops.at(-1)
    if (loop === undefined || node.label) this.source.fail(node, 'this stands in no loop that it could leave')
    this.#expectGivenBack(scope, loop.scope, node)
    this.jump(node.type === 'BreakStatement' ? loop.end : loop.next)
    return true
  }

  // ---- Conditions

  /** Goes to `no` where a condition does not hold, and tells what is known on both sides. */
  #condition(node: ast.Expression, scope: Scope, no: string, negated: boolean): { yes: Facts; no: Facts } {
    this.at = node.start ?? this.at
    if (node.type === 'ParenthesizedExpression') return this.#condition(node.expression, scope, no, negated)
    if (node.type === 'UnaryExpression' && node.operator === '!') {
      return this.#condition(node.argument, scope, no, !negated)
    }
    if (node.type === 'LogicalExpression') {
      const { left, right } = node
      const goesOnly = (node.operator === '&&') !== negated
      if (goesOnly) {
        const first = this.#condition(left, scope, no, negated)
        const inner = new Map(scope)
        know(inner, first.yes)
        const second = this.#condition(right, inner, no, negated)
        return { yes: [...first.yes, ...second.yes], no: [] }
      }
      const [yes, other] = [this.newLabel(), this.newLabel()]
      const first = this.#condition(left, scope, other, negated)
      this.jump(yes)
      this.label(other)
      const inner = new Map(scope)
      know(inner, first.no)
      const second = this.#condition(right, inner, no, negated)
      this.label(yes)
      return { yes: [], no: [...first.no, ...second.no] }
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
    return this.#present(node, scope, no, negated)
  }

  /** A value that is not 0, or a pointer that is there. */
  #present(node: ast.Expression, scope: Scope, no: string, negated: boolean): { yes: Facts; no: Facts } {
    const value = this.expression(node, scope)
    const isPointer = value.kind === 'pointer' || value.kind === 'kernel pointer'
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
    const number = this.expectNumeric(
      value.kind === 'kernel place' ? this.readKernel(value, node) : value,
      node,
    )
    this.compare(negated ? 'ne' : 'eq', number, { kind: 'constant', value: 0n }, no, node)
    return { yes: [], no: [] }
  }

  /** The value of a condition, as a bool. */
  protected override truth(node: ast.Expression, scope: Scope): Value {
    const [no, end] = [this.newLabel(), this.newLabel()]
    const reg = this.newReg()
    this.#condition(node, scope, no, false)
    this.push({ op: 'const', d: reg, value: 1n })
    this.jump(end)
    this.label(no)
    this.push({ op: 'const', d: reg, value: 0n })
    this.label(end)
    return { kind: 'number', reg, type: bool }
  }

  /** `test ? a : b`, of numbers. */
  protected override choice(node: ast.ConditionalExpression, scope: Scope): Value {
    const [no, end] = [this.newLabel(), this.newLabel()]
    const facts = this.#condition(node.test, scope, no, false)
    const [yesScope, noScope] = [new Map(scope), new Map(scope)]
    know(yesScope, facts.yes)
    know(noScope, facts.no)
    const reg = this.newReg()
    const left = this.expectNumeric(this.rvalue(node.consequent, yesScope), node.consequent)
    const leftAt = this.list.length
    this.jump(end)
    this.label(no)
    const right = this.expectNumeric(this.rvalue(node.alternate, noScope), node.alternate)
    const type =
      left.kind === 'constant' && right.kind === 'constant'
        ? smallestFor(left, right)
        : this.common(left, right)
    this.push({ op: 'move', d: reg, s: this.inReg(this.convert(right, type, node, true)), bits: 64 })
    this.label(end)
    // The left side could be converted only when the type of the right side was known.
    const rest = this.list.splice(leftAt)
    this.push({ op: 'move', d: reg, s: this.inReg(this.convert(left, type, node, true)), bits: 64 })
    this.list.push(...rest)
    return { kind: 'number', reg, type }
  }

  // ---- Functions of the file. They are written in the place of their calls.

  protected override callFunction(
    name: string,
    fn: FunctionNode,
    node: ast.CallExpression,
    scope: Scope,
  ): Value {
    if (this.#calls.includes(name))
      this.source.fail(node, `'${name}' calls itself, and the kernel could not see where that ends`)
    const own: Scope = new Map()
    for (const [i, parameter] of fn.params.entries()) {
      if (parameter.type !== 'Identifier') this.source.fail(parameter, 'a parameter is a name with a type')
      const argument = node.arguments[i]
      if (argument === undefined) this.source.fail(node, `'${name}' has ${fn.params.length} parameters`)
      own.set(parameter.name, this.#argument(parameter, argument as ast.Expression, scope))
    }
    if (node.arguments.length > fn.params.length) {
      this.source.fail(node.arguments[fn.params.length]!, `'${name}' has ${fn.params.length} parameters`)
    }
    const outer = this.#returns
    const annotation = fn.returnType?.type === 'TSTypeAnnotation' ? fn.returnType.typeAnnotation : undefined
    const isVoid = annotation?.type === 'TSVoidKeyword'
    const type = annotation && !isVoid ? this.module.type(annotation) : u64
    if (type.kind !== 'int') this.source.fail(annotation!, 'a function returns a number')
    this.#returns = { label: this.newLabel(), reg: this.newReg(), type }
    this.#calls.push(name)
    const { label, reg } = this.#returns
    const ends = this.#body(fn, own)
    if (!ends) this.push({ op: 'const', d: reg, value: 0n })
    this.label(label)
    this.#calls.pop()
    this.#returns = outer
    return isVoid ? { kind: 'void' } : { kind: 'number', reg, type }
  }

  #argument(parameter: ast.Identifier, argument: ast.Expression, scope: Scope): Variable {
    const annotation = parameter.typeAnnotation
    const wanted = annotation?.type === 'TSTypeAnnotation' ? annotation.typeAnnotation : undefined
    const value = this.expression(argument, scope)
    const isNumber = value.kind === 'number' || value.kind === 'constant' || value.kind === 'kernel place'
    if (!isNumber && !(value.kind === 'place' && value.type.kind === 'int')) {
      const state = argument.type === 'Identifier' ? scope.get(argument.name)?.state : undefined
      return { value, mutable: false, ...(state !== undefined && { state }) }
    }
    const type = wanted && this.module.type(wanted)
    if (type !== undefined && type.kind !== 'int')
      this.source.fail(wanted!, 'a parameter is a number or a pointer')
    const number = value.kind === 'kernel place' ? this.readKernel(value, argument) : value
    return { value: this.#variable(number, type, argument, true), mutable: true }
  }
}

/** Two constants have no size of their own: the smallest type that has room for both fits wherever they would. */
function smallestFor(...values: readonly ConstantValue[]): IntType {
  const isSigned = values.some(({ value }) => value < 0n)
  const fits = (bits: number): boolean =>
    values.every(
      ({ value }) => value === (isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)),
    )
  return integerOf([1, 2, 4].find((size) => fits(size * 8)) ?? 8, isSigned)
}

function know(scope: Scope, facts: Facts): void {
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
