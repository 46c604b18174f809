// One function becomes operations. Statements are here; the classes that this one extends have the rest.
import { isZero } from './assignments.js'
import { know } from './conditions.js'
import { readFlavor } from './flavors.js'
import { CallCompiler } from './functions.js'
import { partsOf, unknownYet } from './infer.js'
import { pointerVariable } from './maps/arena.js'
import type { FunctionNode } from './module.js'
import { notInKernel } from './not-in-kernel.js'
import type { Located } from './source.js'
import type { ast } from './syntax.js'
import { type IntType, integerOf, u64 } from './types.js'
import { readUser } from './user-memory.js'
import {
  describeValue,
  isNullable,
  owedOf,
  type PointerState,
  type Scope,
  type Value,
  type Variable,
  writtenName,
} from './values.js'

const zero = { kind: 'constant', value: 0n } as const

export class FunctionCompiler extends CallCompiler {
  protected override another(): FunctionCompiler {
    return new FunctionCompiler(this.unit, this.program)
  }

  /** Compiles the body of a program. Its scope has the arguments. */
  compileProgram(fn: FunctionNode, scope: Scope): void {
    const ends = this.body(fn, scope)
    if (!ends) this.return(undefined, { start: (fn.end ?? 1) - 1 }, scope)
  }

  /** Compiles the body. Returns whether control never gets past its end. */
  protected override body(fn: FunctionNode, scope: Scope): boolean {
    if (fn.body.type === 'BlockStatement') return this.block(fn.body.body, scope)
    this.return(fn.body, fn.body, scope)
    return true
  }

  // ---- Statements. Each returns whether control never gets past it.

  protected override block(statements: readonly ast.Statement[], outer: Scope): boolean {
    const scope = new Map(outer)
    const ends = this.within(() => {
      let ends = false
      for (const statement of statements) {
        if (ends) this.source.fail(statement, 'this is never reached')
        // What a declaration puts on the stack stays until the end of its block.
        const isDeclaration = statement.type === 'VariableDeclaration'
        const compile = (): boolean => this.#statementOrParts(statement, scope)
        ends = isDeclaration ? compile() : this.within(compile)
      }
      return ends
    })
    if (!ends) this.expectGivenBack(scope, outer, { start: this.at, end: this.at + 1 })
    // What is now known about the names of the outer scope holds there, too.
    for (const [name, variable] of outer) {
      const inner = scope.get(name)
      if (inner !== undefined && inner.value === variable.value) outer.set(name, inner)
    }
    return ends
  }

  /**
   * Compiles a statement, or, while the types of maps are being inferred, its parts if the whole cannot be compiled
   * yet.
   */
  #statementOrParts(node: ast.Statement, scope: Scope): boolean {
    const { inference } = this.unit
    if (inference === undefined) return this.statement(node, scope)
    try {
      return this.statement(node, scope)
    } catch (error) {
      if (!inference.leavesOut(error)) throw error
      const { names, statements } = partsOf(node)
      for (const name of names) scope.set(name, { value: unknownYet, mutable: true })
      for (const one of statements) this.block([one], new Map(scope))
      return false
    }
  }

  protected override statement(node: ast.Statement, scope: Scope): boolean {
    this.at = node.start ?? this.at
    switch (node.type) {
      case 'EmptyStatement':
        return false
      case 'BlockStatement':
        return this.block(node.body, scope)
      case 'VariableDeclaration':
        for (const declaration of node.declarations) this.#declare(declaration, node.kind, scope)
        return false
      case 'ExpressionStatement':
        this.#expression(node.expression, scope)
        return false
      case 'ReturnStatement':
        this.return(node.argument ?? undefined, node, scope)
        return true
      case 'IfStatement':
        return this.#if(node, scope)
      case 'BreakStatement':
      case 'ContinueStatement':
        return this.leaveLoop(node, scope)
      case 'LabeledStatement':
        return this.breakable(node.body, scope, node.label.name)
      case 'ForStatement':
      case 'ForOfStatement':
      case 'WhileStatement':
      case 'DoWhileStatement':
      case 'SwitchStatement':
        return this.breakable(node, scope)
    }
    this.source.fail(node, ...notInKernel(node))
  }

  #expression(node: ast.Expression, scope: Scope): void {
    const value = this.expression(node, scope)
    const owed = owedOf(value)
    if (owed !== undefined) {
      this.source.fail(
        node,
        `this ${owed.what} is ${owed.still} and nothing can release it`,
        `Write ${owed.withName}.`,
      )
    }
  }

  #declare(node: ast.VariableDeclarator, kind: string, scope: Scope): void {
    const { id, init } = node
    if (!init) {
      const name = id.type === 'Identifier' ? id.name : this.text(id)
      this.source.fail(
        node,
        `'${name}' needs a value`,
        `Write ${kind} ${this.text(id)} = 0, or zero<T>() for a struct.`,
      )
    }
    const isMutable = kind !== 'const'
    if (id.type === 'ObjectPattern') {
      if (isMutable) this.source.fail(node, 'what is taken apart has to be const')
      this.#takeApart(id, this.expression(init, scope), init, scope)
      return
    }
    if (id.type !== 'Identifier')
      this.source.fail(
        id,
        'a declaration has a name here',
        'Members are taken as const { pid, tgid } = task.',
      )
    const annotation = id.typeAnnotation
    let wanted =
      annotation?.type === 'TSTypeAnnotation' ? this.module.type(annotation.typeAnnotation) : undefined
    if (isZero(init)) {
      wanted ??=
        this.zeroType(init) ??
        this.source.fail(init, 'zero needs a type', 'Write zero<array<u32, 16>>(), or give the variable one.')
    }
    if (wanted?.kind === 'ptr') {
      scope.set(id.name, { ...pointerVariable(this, wanted.to(), init, scope), mutable: isMutable })
      return
    }
    if (wanted !== undefined && wanted.kind !== 'int') {
      const place = this.local(wanted, id)
      const isWhole = init.type === 'ObjectExpression' || init.type === 'ArrayExpression' || isZero(init)
      if (!isWhole) this.clear(place.base, place.offset, this.sizeOf(wanted))
      this.assignTo(place, init, scope)
      scope.set(id.name, { value: place, mutable: isMutable })
      return
    }
    const value = wanted && isZero(init) ? { ...zero, type: wanted } : this.expression(init, scope)
    if (isMutable && value.kind === 'pointer' && value.inArena) {
      scope.set(id.name, { ...pointerVariable(this, value.type, init, scope), mutable: true })
      return
    }
    // A pointer that was compared with null already may get another name.
    const state = init.type === 'Identifier' ? scope.get(init.name)?.state : undefined
    this.#name(id.name, value, wanted, init, isMutable, scope, state)
  }

  /** Gives a value a name. */
  #name(
    name: string,
    found: Value,
    wanted: IntType | undefined,
    node: ast.Node,
    isMutable: boolean,
    scope: Scope,
    state: PointerState = 'maybe',
  ): void {
    let value = found
    if (value.kind === 'kernel place' && this.isReadable(value)) value = this.readKernel(value, node)
    if (value.kind === 'flavor place' && value.type.kind === 'int') value = readFlavor(this, value, node)
    if (value.kind === 'user place' && value.type.kind === 'int') value = readUser(this, value, node)
    if (value.kind === 'place' && value.type.kind === 'int') value = this.load(value, node)
    if (value.kind === 'void') this.expectNumeric(value, node)
    if (value.kind === 'number' || value.kind === 'constant') {
      value = this.variable(value, wanted, node, isMutable)
    } else if (isMutable) {
      this.source.fail(
        node,
        `'${name}' is ${describeValue(value)}, which has to be const`,
        isNullable(value) ? `Write const ${name} = .... What it points to can still change.` : undefined,
      )
    }
    scope.set(name, { value, mutable: isMutable, ...(isNullable(value) && { state }) })
  }

  /** `const { pid, comm: name } = task` */
  #takeApart(pattern: ast.ObjectPattern, from: Value, node: ast.Expression, scope: Scope): void {
    for (const property of pattern.properties) {
      if (property.type !== 'ObjectProperty' || property.computed || property.key.type !== 'Identifier')
        this.source.fail(property, 'members are taken by their names: { pid, comm: name }')
      const { key, value } = property
      this.at = property.start ?? this.at
      const found = this.memberOf(from, key.name, { object: node, property: key }, scope)
      if (value.type === 'ObjectPattern') this.#takeApart(value, found, node, scope)
      else if (value.type === 'Identifier') this.#name(value.name, found, undefined, key, false, scope)
      else this.source.fail(value, 'a destructured member cannot have a default value here')
    }
  }

  /** A number in a register of its own. */
  protected override variable(
    value: Value,
    wanted: IntType | undefined,
    node: Located,
    isMutable: boolean,
  ): Value {
    const number = this.expectNumeric(value, node)
    if (!isMutable && number.kind === 'constant' && wanted === undefined) return number
    const type =
      wanted ?? number.type ?? (number.kind === 'constant' && number.value < 0n ? integerOf(8, true) : u64)
    const reg = this.newReg()
    this.push({ op: 'move', d: reg, s: this.inReg(this.convert(number, type, node)), bits: 64 })
    const usedBits =
      isMutable || wanted !== undefined || number.kind !== 'number' ? undefined : number.usedBits
    return { kind: 'number', reg, type, ...(usedBits !== undefined && { usedBits }) }
  }

  /** Refuses to leave records behind that are still reserved. */
  protected override expectGivenBack(scope: Scope, outer: Scope | undefined, at: Located): void {
    for (const [name, { value, state }] of scope) {
      const owed = owedOf(value)
      if (owed === undefined || outer?.get(name)?.value === value) continue
      if (state !== 'maybe' && state !== 'present') continue
      this.source.fail(
        at,
        `the ${owed.what} '${writtenName(name)}' is still ${owed.still} here`,
        owed.how(name),
      )
    }
  }

  #if(node: ast.IfStatement, scope: Scope): boolean {
    const [no, end] = [this.newLabel(), this.newLabel()]
    const facts = this.condition(node.test, scope, no, false)
    const [yesScope, noScope] = [new Map(scope), new Map(scope)]
    know(yesScope, facts.yes)
    know(noScope, facts.no)
    const yesEnds = this.block([node.consequent], yesScope)
    if (node.alternate && !yesEnds) this.jump(end)
    this.label(no)
    const noEnds = node.alternate ? this.block([node.alternate], noScope) : false
    this.label(end)
    for (const [name, variable] of scope) {
      if (variable.state === undefined) continue
      const states = [...(yesEnds ? [] : [yesScope]), ...(noEnds ? [] : [noScope])].map(
        (one) => one.get(name)!.state!,
      )
      scope.set(name, { ...variable, state: this.merge(name, variable, states, node) })
    }
    return yesEnds && noEnds
  }

  /** What is known about a pointer where several paths meet. */
  protected override merge(
    name: string,
    variable: Variable,
    states: readonly PointerState[],
    node: ast.Node,
    what = 'this if',
  ): PointerState {
    const [first, ...others] = states
    if (first === undefined) return variable.state!
    if (others.every((state) => state === first)) return first
    if (states.includes('stale')) return 'stale'
    const owed = owedOf(variable.value)
    if (owed === undefined) return 'maybe'
    // There is nothing to release on any path.
    if (states.every((state) => state === 'absent' || state === 'given back')) return 'given back'
    if (states.every((state) => state === 'absent' || state === 'present' || state === 'maybe'))
      return 'maybe'
    this.source.fail(
      node,
      `the ${owed.what} '${writtenName(name)}' is released on one path through ${what}, and not on the other`,
    )
  }
}
