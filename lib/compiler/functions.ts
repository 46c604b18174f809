// Calls of the file's own functions. Small ones are inlined, large ones become subprograms.
import { pointer, voidType } from '../asm/c-types.js'
import type { NumericValue } from './builder.js'
import type { CallbackParameter } from './expressions.js'
import { finish } from './finish.js'
import { readFlavor } from './flavors.js'
import {
  type GlobalSignature,
  globalParameters,
  globalPrototype,
  globalSignature,
  passedNumber,
} from './global-functions.js'
import { expectAllAllowed } from './helpers/allowed.js'
import { returnedPointer } from './hooks/returned-pointers.js'
import { expectOwnConstant, expectReturned, passesWithZero, passingOf } from './hooks/returns.js'
import { opsResult } from './hooks/struct-ops.js'
import type { Argument, Callee, Reg } from './ir.js'
import { LoopCompiler } from './loops.js'
import type { FunctionNode } from './module.js'
import { expectCallUnderRcu, isUnderRcu } from './rcu.js'
import type { Located } from './source.js'
import {
  type CompiledFunction,
  functionType,
  isSubprogram,
  kindOf,
  mostArguments,
  parameterType,
  passing,
} from './subprograms.js'
import type { ast } from './syntax.js'
import { describe, type IntType, s32, s64, u64 } from './types.js'
import { followed, readUser } from './user-memory.js'
import {
  describeValue,
  markGivenBack,
  owedOf,
  type Scope,
  stateAt,
  type Value,
  type Variable,
} from './values.js'

/** Where `return` goes in a function that is not a program. */
interface Returns {
  /** The end of an inlined function; undefined in a subprogram. */
  readonly label: string | undefined
  readonly reg: number
  /** Undefined for void. */
  readonly type: IntType | undefined
  /** The parameters. */
  readonly scope: Scope
  /** What is known about the parameters at each return. */
  readonly exits: Scope[]
}

export abstract class CallCompiler extends LoopCompiler {
  protected returns: Returns | undefined
  /** Bytes of stack of the functions that are called. */
  calleeStack = 0

  /** Compiles the body. Returns whether control never gets past its end. */
  protected abstract body(fn: FunctionNode, scope: Scope): boolean
  protected abstract variable(
    value: Value,
    wanted: IntType | undefined,
    node: Located,
    isMutable: boolean,
  ): Value
  override get leaving(): string {
    if (this.returns === undefined) {
      const type = this.#programReturns()
      if (type !== undefined && type.kind !== 'int') return 'return null'
      return `return ${passingOf(this)}`
    }
    return this.returns.type === undefined ? 'return' : 'return 0'
  }

  /** A compiler for another function of the same program. */
  protected abstract another(): CallCompiler

  protected return(node: ast.Expression | undefined, at: Located, scope: Scope): void {
    const { returns } = this
    const type = returns === undefined ? this.#programReturns() : returns.type
    if (type === undefined && node !== undefined)
      this.source.fail(node, 'this function returns nothing: its type is void')
    const reg =
      type !== undefined && type.kind !== 'int'
        ? returnedPointer(this, type, node, at, scope)
        : this.#returnedNumber(type, node, at, scope)
    this.expectGivenBack(scope, returns?.scope, at)
    for (const loop of this.loops.toReversed()) loop.leave?.()
    returns?.exits.push(new Map(scope))
    if (returns?.label === undefined) {
      // A function that returns nothing returns 0: the kernel refuses one that leaves an address of its stack in r0.
      this.push({ op: 'return', value: reg })
      return
    }
    this.push({ op: 'move', d: returns.reg, s: reg, bits: 64 })
    this.jump(returns.label)
  }

  #returnedNumber(
    type: IntType | undefined,
    node: ast.Expression | undefined,
    at: Located,
    scope: Scope,
  ): Reg {
    const { returns } = this
    if (
      node?.type === 'StringLiteral' ||
      node?.type === 'TemplateLiteral' ||
      node?.type === 'ObjectExpression'
    )
      this.source.fail(
        node,
        returns === undefined ? 'a program returns a number' : 'a function returns a number',
        'Send text and structs to user space with an event, or keep them in a map.',
      )
    const value = node === undefined ? { kind: 'constant' as const, value: 0n } : this.rvalue(node, scope)
    const result = this.expectNumeric(value, node ?? at)
    if (returns === undefined) this.#expectNumber(result, type, node, at)
    if (returns === undefined && node !== undefined) this.#expectKnown(node, scope)
    // Helpers return 64 bits, and the kernel uses the lower half of what programs return.
    const isHelpers = returns === undefined && result.kind === 'number' && result.type === s64
    const number = this.convert(result, type ?? s32, node ?? at, isHelpers)
    this.at = at.start ?? this.at
    // The kernel looks at all 64 bits of what a program returns.
    const isWhole = returns === undefined && number.kind === 'constant'
    return this.inReg(isWhole ? { kind: 'constant', value: number.value } : number)
  }

  #programReturns(): ReturnType<typeof opsResult> {
    if (this.program.hook === 'freplace') return globalSignature(this.module, this.program.function).result
    return this.program.ops ? opsResult(this.kernel, this.source, this.program) : s32
  }

  /** Refuses a missing result, and a bool where the hook wants a number. */
  #expectNumber(
    result: NumericValue,
    type: IntType | undefined,
    node: ast.Expression | undefined,
    at: Located,
  ): void {
    // Only functions of structOps may return nothing.
    if (type === undefined || this.program.hook === 'freplace') return
    if (node === undefined) {
      if (passesWithZero(this)) return
      this.source.fail(
        { start: at.start ?? 0, end: (at.start ?? 0) + 1 },
        `${this.program.hook} programs return a number on every way to their end; without one it is 0`,
        `Write return ${passingOf(this)}.`,
      )
    }
    if (result.type?.name === 'bool' && this.program.ops === undefined)
      this.source.fail(
        node,
        'a program returns a number, and this is true or false',
        `Write ${this.text(node)} ? 1 : 0.`,
      )
  }

  /** Refuses a constant that the hook of the program has no meaning for, also on one side of `? :`. */
  #expectKnown(node: ast.Expression, scope: Scope): void {
    if (node.type === 'ConditionalExpression') {
      for (const side of [node.consequent, node.alternate]) this.#expectKnown(side, scope)
      return
    }
    expectOwnConstant(this, node)
    const constant = this.constantOf(node, scope)
    if (constant !== undefined) expectReturned(this, constant, node)
  }

  protected override callFunction(
    name: string,
    fn: FunctionNode,
    node: ast.CallExpression,
    scope: Scope,
  ): Value {
    const { calls } = this.unit
    if (calls.includes(name))
      this.source.fail(
        node,
        `'${name}' calls itself, and the kernel could not see where that ends`,
        'Write a loop.',
      )
    if (node.arguments.length > fn.params.length)
      this.source.fail(node.arguments[fn.params.length]!, `'${name}' has ${fn.params.length} parameters`)
    if (this.module.globalFunctions.has(name)) return this.#callGlobal(name, fn, node, scope)
    const own: Scope = new Map()
    const names = fn.params.map((parameter, i) => {
      if (parameter.type !== 'Identifier')
        this.source.fail(
          parameter,
          'a parameter is a name with a type',
          parameter.type === 'AssignmentPattern'
            ? 'It has no value of its own: each call gives it one.'
            : undefined,
        )
      if (!parameter.typeAnnotation)
        this.source.fail(
          parameter,
          `the parameter '${parameter.name}' needs a type`,
          `Write ${parameter.name}: u32.`,
        )
      const argument = node.arguments[i]
      if (argument === undefined) this.source.fail(node, `'${name}' has ${fn.params.length} parameters`)
      own.set(parameter.name, this.#argument(parameter, argument as ast.Expression, scope))
      return parameter.name
    })
    const type = this.#returnType(fn)
    const { underRcu } = this
    this.underRcu = isUnderRcu(this, scope)
    calls.push(name)
    const { value, after } = this.#subprogram(name, fn, own, type, node) ?? this.#inline(fn, own, type, node)
    calls.pop()
    this.underRcu = underRcu
    for (const [i, argument] of node.arguments.entries())
      this.#giveBack(argument, after.get(names[i]!), scope)
    return type === undefined ? { kind: 'void' } : value
  }

  #returnType(fn: FunctionNode): IntType | undefined {
    const annotation = fn.returnType?.type === 'TSTypeAnnotation' ? fn.returnType.typeAnnotation : undefined
    if (annotation?.type === 'TSVoidKeyword') return undefined
    const type = annotation ? this.module.type(annotation) : u64
    if (type.kind !== 'int')
      this.source.fail(
        annotation!,
        'a function returns a number',
        'Give it what it fills as a parameter: structs are passed by reference.',
      )
    return type
  }

  /** What a function has submitted or discarded is released for its caller, too. */
  #giveBack(argument: ast.Node, after: Variable | undefined, scope: Scope): void {
    if (argument.type !== 'Identifier' || after?.state !== 'given back') return
    if (scope.has(argument.name)) markGivenBack(scope, argument.name)
  }

  #inline(
    fn: FunctionNode,
    own: Scope,
    type: IntType | undefined,
    node: ast.Node,
  ): { value: Value; after: Scope } {
    const { returns, loops, whereNull } = this
    const label = this.newLabel()
    const reg = this.newReg()
    this.returns = { label, reg, type, scope: new Map(own), exits: [] }
    this.loops = []
    this.whereNull = undefined
    const after = this.#bodyOf(fn, own, node, () => this.push({ op: 'const', d: reg, value: 0n }))
    this.label(label)
    Object.assign(this, { returns, loops, whereNull })
    return { value: { kind: 'number', reg, type: type ?? u64 }, after }
  }

  /** Compiles the body, and returns what is known about the parameters afterwards. */
  #bodyOf(fn: FunctionNode, own: Scope, node: ast.Node, atEnd: () => void): Scope {
    const { exits } = this.returns!
    if (!this.body(fn, own)) {
      exits.push(own)
      atEnd()
    }
    const after: Scope = new Map()
    for (const [name, variable] of own) {
      if (owedOf(variable.value) === undefined) continue
      const states = exits.map((one) => stateAt(one, name, variable))
      after.set(name, { ...variable, state: this.merge(name, variable, states, node, 'this function') })
    }
    return after
  }

  #subprogram(
    name: string,
    fn: FunctionNode,
    own: Scope,
    type: IntType | undefined,
    node: ast.Node,
  ): { value: Value; after: Scope } | undefined {
    if (!isSubprogram(fn, this.module.calls.get(name) ?? 0)) return undefined
    const passed = [...own].map(([name, variable]) => ({
      name,
      variable,
      ...passing(this, variable.value),
    }))
    if (passed.some(({ inside }) => inside === undefined)) return undefined
    const registers = passed.flatMap(({ reg }) => (reg === undefined ? [] : [{ reg }]))
    if (registers.length > mostArguments) return undefined
    expectCallUnderRcu(this, node, own)
    const compiled = this.#compiled(name, fn, own, type, node)
    this.calleeStack = Math.max(this.calleeStack, compiled.stack)
    const reg = this.newReg()
    this.push({ op: 'call', d: reg, callee: { function: compiled.name }, args: registers })
    this.returnCopies(passed.flatMap(({ argument }) => argument ?? []))
    return { value: { kind: 'number', reg, type: type ?? u64 }, after: compiled.after }
  }

  /**
   * Calls a function that the kernel checks separately from its callers, and that may have been replaced when it runs.
   */
  #callGlobal(name: string, fn: FunctionNode, node: ast.CallExpression, scope: Scope): Value {
    const signature = globalSignature(this.module, fn)
    const { parameters, result } = signature
    if (node.arguments.length < parameters.length)
      this.source.fail(node, `'${name}' has ${parameters.length} parameters`)
    const args = parameters.map(({ type }, i): Argument => {
      const argument = node.arguments[i] as ast.Expression
      if (type.kind === 'int')
        return { reg: this.inReg(this.convert(this.numeric(argument, scope), type, argument)) }
      const value = this.expression(argument, scope)
      if (value.kind === 'context' && value.reg === this.context && value.record.name === type.struct)
        return { reg: value.reg }
      return this.source.fail(
        argument,
        `this is ${describeValue(value)}, and '${name}' gets the context of a program, a struct ${type.struct}`,
      )
    })
    const compiled = this.#compiledGlobal(name, fn, signature)
    this.calleeStack = Math.max(this.calleeStack, compiled.stack)
    const reg = this.newReg()
    this.push({ op: 'call', d: reg, callee: { function: name }, args })
    return passedNumber(this, reg, result, node)
  }

  #compiledGlobal(name: string, fn: FunctionNode, signature: GlobalSignature): CompiledFunction {
    const { calls, functions } = this.unit
    const known = functions.get(name)
    // Programs of another hook may not call the same helpers.
    if (known !== undefined) {
      expectAllAllowed(this, known.operations)
      return known
    }
    const inner = this.another()
    inner.at = fn.start ?? 0
    const scope = globalParameters(inner, signature)
    inner.returns = {
      label: undefined,
      reg: inner.newReg(),
      type: signature.result,
      scope: new Map(scope),
      exits: [],
    }
    calls.push(name)
    const after = inner.#bodyOf(fn, scope, fn, () => inner.#returnZero())
    calls.pop()
    const compiled: CompiledFunction = {
      ...finish(inner, fn, inner.calleeStack),
      name,
      source: name,
      type: globalPrototype(signature),
      linkage: 'global',
      after,
    }
    functions.set(name, compiled)
    return compiled
  }

  #returnZero(): void {
    const reg = this.newReg()
    this.push({ op: 'const', d: reg, value: 0n })
    this.push({ op: 'return', value: reg })
  }

  #compiled(
    name: string,
    fn: FunctionNode,
    own: Scope,
    type: IntType | undefined,
    node: ast.Node,
  ): CompiledFunction {
    const { functions } = this.unit
    const kinds = [...own.values()].map(({ value, state }) => `${kindOf(value)} ${state ?? ''}`)
    const key = [name, this.program.hook, this.underRcu, ...kinds].join('|')
    const known = functions.get(key)
    if (known !== undefined) return known
    const inner = this.another()
    inner.at = fn.start ?? 0
    inner.underRcu = this.underRcu
    const scope: Scope = new Map()
    const types: Record<string, ReturnType<typeof parameterType>> = {}
    let index = 0
    for (const [name, variable] of own) {
      const { reg, inside } = passing(this, variable.value)!
      const own = inner.newReg()
      if (reg !== undefined) {
        types[name] = parameterType(variable.value)
        inner.push({ op: 'param', d: own, index: index++ })
      }
      const value = inside(own)
      scope.set(name, { ...variable, value })
      // The program's own context, not a socket.
      if (value.kind === 'context' && value.packet !== undefined) inner.context = own
    }
    inner.returns = { label: undefined, reg: inner.newReg(), type, scope: new Map(scope), exits: [] }
    const after = inner.#bodyOf(fn, scope, node, () => inner.#returnZero())
    const others = [...functions.values()].filter((one) => one.source === name).length
    const compiled: CompiledFunction = {
      ...finish(inner, fn, inner.calleeStack),
      name: others === 0 ? name : `${name}__${others + 1}`,
      source: name,
      type: functionType(type, types),
      after,
    }
    functions.set(key, compiled)
    return compiled
  }

  override callback(
    fn: FunctionNode,
    name: string,
    parameters: readonly (CallbackParameter | undefined)[],
    around: Scope,
  ): string {
    expectCallUnderRcu(this, fn, around)
    const inner = this.another()
    inner.underRcu = isUnderRcu(this, around)
    inner.outside = new Set([...this.outside, ...around.keys()])
    inner.at = fn.start ?? 0
    const registers = parameters.map((_, index) => {
      const d = inner.newReg()
      inner.push({ op: 'param', d, index })
      return d
    })
    const given = parameters.flatMap((parameter, i) => (parameter ? [{ parameter, reg: registers[i]! }] : []))
    const scope: Scope = new Map()
    for (const [i, { parameter, reg }] of given.entries()) {
      const own = fn.params[i]
      if (own === undefined) continue
      if (own.type !== 'Identifier') this.source.fail(own, 'a parameter is a name')
      scope.set(own.name, { ...parameter(reg, inner), mutable: false })
    }
    // A function that compares two objects of a tree runs while the lock is held.
    for (const [name, variable] of around)
      if (variable.value.kind === 'lock' && !variable.value.isRcu && variable.state === 'present')
        scope.set(name, variable)
    const extra = fn.params[given.length]
    if (extra !== undefined) this.source.fail(extra, `this function has ${given.length} parameters`)
    inner.returns = { label: undefined, reg: inner.newReg(), type: s64, scope: new Map(scope), exits: [] }
    inner.#bodyOf(fn, scope, fn, () => inner.#returnZero())
    return this.#added(inner, name, fn, parameters.length, true)
  }

  /** A function that the compiler itself writes, which takes numbers and returns one. It is made once for a file. */
  ownFunction(
    name: string,
    node: Located,
    parameters: number,
    build: (inner: CallCompiler, registers: readonly Reg[]) => Reg,
  ): Callee {
    const known = this.unit.functions.get(name)
    if (known !== undefined) {
      this.calleeStack = Math.max(this.calleeStack, known.stack)
      return { function: known.name }
    }
    const inner = this.another()
    inner.at = node.start ?? 0
    const registers = Array.from({ length: parameters }, (_, index) => {
      const d = inner.newReg()
      inner.push({ op: 'param', d, index })
      return d
    })
    inner.push({ op: 'return', value: build(inner, registers) })
    return { function: this.#added(inner, name, node, parameters, false) }
  }

  /** Adds a function to the file. @param isChecked - its helpers are those of the program's text */
  #added(inner: CallCompiler, name: string, node: Located, parameters: number, isChecked: boolean): string {
    const { functions } = this.unit
    const others = [...functions.values()].filter(({ source }) => source === name).length
    const types = Object.fromEntries(
      Array.from({ length: parameters }, (_, i) => [`p${i}`, pointer(voidType)]),
    )
    const compiled: CompiledFunction = {
      ...finish(inner, node, inner.calleeStack, isChecked),
      name: others === 0 ? name : `${name}__${others + 1}`,
      source: name,
      type: functionType(s64, types),
      after: new Map(),
    }
    functions.set(isChecked ? `${compiled.name}|${node.start}|${this.program.hook}` : name, compiled)
    this.calleeStack = Math.max(this.calleeStack, compiled.stack)
    return compiled.name
  }

  #argument(parameter: ast.Identifier, argument: ast.Expression, scope: Scope): Variable {
    const annotation = parameter.typeAnnotation
    const wanted = annotation?.type === 'TSTypeAnnotation' ? annotation.typeAnnotation : undefined
    const found = this.expression(argument, scope)
    const value =
      found.kind === 'flavor place' && found.type.kind === 'int'
        ? readFlavor(this, found, argument)
        : found.kind === 'user place' && found.type.kind === 'int'
          ? readUser(this, found, argument)
          : found
    const isNumber = value.kind === 'number' || value.kind === 'constant' || value.kind === 'kernel place'
    if (!isNumber && !(value.kind === 'place' && value.type.kind === 'int')) {
      const state = argument.type === 'Identifier' ? scope.get(argument.name)?.state : undefined
      const isOwn = value.kind === 'place' || value.kind === 'pointer' || value.kind === 'user place'
      const type = isOwn && wanted ? this.module.type(wanted) : undefined
      if (type !== undefined && isOwn && describe(type) !== describe(value.type))
        this.source.fail(
          argument,
          `this is a ${describe(value.type)}, and '${parameter.name}' is declared as ${describe(type)}`,
        )
      return { value, mutable: false, ...(state !== undefined && { state }) }
    }
    const number = value.kind === 'kernel place' ? this.readKernel(value, argument) : value
    if (number.kind === 'kernel pointer') return { value: number, mutable: false }
    const type = wanted && this.module.type(wanted)
    if (type !== undefined && type.kind !== 'int')
      this.source.fail(
        argument,
        `this is ${describeValue(value)}, and '${parameter.name}' is declared as ${describe(type)}`,
        followed(this, number, argument)?.type === type
          ? `Copy it first: const copy: ${describe(type)} = ${this.text(argument)}.`
          : undefined,
      )
    return { value: this.variable(number, type, argument, true), mutable: true }
  }
}
