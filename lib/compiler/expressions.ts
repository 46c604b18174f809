// Expressions: names, arithmetic, calls. Members and assignments are in the classes that this one extends.

import { AssignmentCompiler } from './assignments.js'
import { operations } from './builder.js'
import { builtins } from './builtins.js'
import { computeUnary } from './constants.js'
import { dynptrMethods, filterMethods, hasDynptr, packetDynptr } from './dynptrs.js'
import { callHelper, helperNamed } from './helpers/call.js'
import { isIterator, iteratorMethods } from './hooks/iterators.js'
import { actions } from './hooks/returns.js'
import { expectKnown } from './infer.js'
import type { Reg } from './ir.js'
import { callKfunc } from './kfuncs.js'
import { isLog, log } from './log.js'
import { addressInProcess } from './maps/arena.js'
import { graphMethods } from './maps/graphs.js'
import { kptrMethods } from './maps/kptrs.js'
import { mapMethods } from './maps/methods.js'
import { isOpaque, opaqueMethods } from './maps/opaque.js'
import { type FunctionNode, isDeclarator } from './module.js'
import { nearest } from './nearest.js'
import { insteadOfGlobal, joinedText, noOperator, notInKernel, notWhole } from './not-in-kernel.js'
import { own } from './own.js'
import { cursorMethods, packetMethods } from './packets.js'
import type { ast } from './syntax.js'
import { textComparison } from './text.js'
import { cTypeOf, integers, sizeOf, type Type, u64 } from './types.js'
import type { NamespaceValue, Scope, Value, Variable } from './values.js'
import { describeValue } from './values.js'

/** What a function that the kernel calls gets in one of its registers. */
export type CallbackParameter = (reg: Reg, inner: ExpressionCompiler) => Omit<Variable, 'mutable'>

export abstract class ExpressionCompiler extends AssignmentCompiler {
  protected abstract truth(node: ast.Expression, scope: Scope): Value
  protected abstract choice(node: ast.ConditionalExpression, scope: Scope): Value
  protected abstract logical(node: ast.LogicalExpression, scope: Scope): Value
  protected abstract coalesce(node: ast.LogicalExpression, scope: Scope): Value
  /** The program holds RCU until the end of a loop around this code. */
  underRcu = false
  /** The names of the function around one that the kernel calls, which it cannot use. */
  protected outside: ReadonlySet<string> = new Set()

  /** Compiles a function that the kernel calls, and returns its name in the object. */
  abstract callback(
    fn: FunctionNode,
    name: string,
    parameters: readonly (CallbackParameter | undefined)[],
    scope: Scope,
  ): string
  protected abstract callFunction(
    name: string,
    fn: FunctionNode,
    node: ast.CallExpression,
    scope: Scope,
  ): Value

  sizeOf(type: Type): number {
    return sizeOf(type)
  }

  expression(node: ast.Expression, scope: Scope): Value {
    switch (node.type) {
      case 'NumericLiteral':
        if (!Number.isSafeInteger(node.value)) {
          this.source.fail(node, ...notWhole(this.text(node), node.value))
        }
        return { kind: 'constant', value: BigInt(node.value) }
      case 'BigIntLiteral':
        return { kind: 'constant', value: BigInt(node.value) }
      case 'BooleanLiteral':
        return { kind: 'constant', value: node.value ? 1n : 0n, type: integers.bool! }
      case 'Identifier':
        return this.#name(node, scope)
      case 'MemberExpression':
      case 'OptionalMemberExpression':
        return this.member(node, scope)
      case 'CallExpression':
        return this.#call(node, scope)
      case 'TaggedTemplateExpression':
        if (isLog(node) && !scope.has('log')) return log(this, node, scope)
        break
      case 'BinaryExpression':
        if (Object.hasOwn(operations, node.operator)) return this.#binary(node, scope)
        if (/^([!=]==?|[<>]=?)$/.test(node.operator)) return this.truth(node, scope)
        this.source.fail(node, ...noOperator(node.operator))
        break
      case 'LogicalExpression':
        return node.operator === '??' ? this.coalesce(node, scope) : this.logical(node, scope)
      case 'ConditionalExpression':
        return this.choice(node, scope)
      case 'UnaryExpression':
        return this.#unary(node, scope)
      case 'UpdateExpression':
        return this.assign(node.argument, node.operator === '++' ? '+' : '-', 1n, node, scope)
      case 'AssignmentExpression':
        if (node.operator === '=') {
          this.assignPlain(node, scope)
          return { kind: 'void' }
        }
        return this.assign(node.left, node.operator.slice(0, -1), node.right, node, scope)
      case 'ParenthesizedExpression':
      case 'TSNonNullExpression':
        return this.expression(node.expression, scope)
      case 'TSAsExpression': {
        if (this.text(node.typeAnnotation) === 'const') return this.expression(node.expression, scope)
        const type = this.module.type(node.typeAnnotation)
        if (type.kind !== 'int') this.source.fail(node, 'only numbers are converted')
        const number = this.numeric(node.expression, scope)
        this.expectAlike(number, type, node)
        return this.convert(number, type, node, true)
      }
    }
    this.source.fail(node, ...notInKernel(node))
  }

  #name(node: ast.Identifier, scope: Scope): Value {
    const { name } = node
    const variable = scope.get(name)
    if (variable !== undefined) {
      expectKnown(variable.value)
      return variable.value
    }
    const constant = this.module.constants.get(name)
    if (constant !== undefined) return { kind: 'constant', ...constant }
    const map = this.module.maps.get(name)
    if (map !== undefined) return { kind: 'map', map }
    const config = this.module.configs.get(name)
    if (config !== undefined) {
      const d = this.newReg()
      this.unit.externs.set(config.name, { kind: 'kconfig', type: cTypeOf(config.type), weak: true })
      this.push({ op: 'symbol', d, kind: 'extern', name: config.name })
      const readonly = `'${name}' is the kernel's configuration, which cannot be changed`
      return { kind: 'place', base: d, offset: 0, type: config.type, readonly }
    }
    const global = this.module.globals.get(name)
    if (global !== undefined) {
      const d = this.newReg()
      this.push({ op: 'symbol', d, kind: 'data', name })
      const isConstant = global.section === '.rodata'
      return {
        kind: 'place',
        base: d,
        offset: 0,
        type: global.type,
        shared: true,
        isGlobal: true,
        ...(isConstant && {
          readonly: `'${name}' is rodata: only user space sets it, before the program is loaded`,
        }),
      }
    }
    const enumeration = this.module.enums.get(name)
    if (enumeration !== undefined) return { kind: 'constants', name, values: enumeration.values }
    if (name === 'bpf' || name === 'kfunc' || name === 'each') return { kind: 'namespace', name }
    const constants = own(actions, name)
    if (constants !== undefined) return { kind: 'constants', name, values: constants }
    if (this.outside.has(name)) {
      this.source.fail(
        node,
        `'${name}' belongs to the function around this one, which the kernel calls without it`,
        `Keep it in a map, or in a variable of the file: let ${name} = data<u64>(0).`,
      )
    }
    if (this.module.functions.has(name)) {
      this.source.fail(node, 'a function cannot be a value in the kernel', `Call it: ${name}(...).`)
    }
    const known = [
      ...scope.keys(),
      ...this.module.maps.keys(),
      ...this.module.globals.keys(),
      ...this.module.constants.keys(),
    ]
    if (name === 'log') this.source.fail(node, 'a line is logged with a template', 'Write log.info`hello`.')
    this.source.fail(node, `there is no '${name}' here`, insteadOfGlobal(name) ?? nearest(name, known))
  }

  // ---- Arithmetic

  #binary(node: ast.BinaryExpression, scope: Scope): Value {
    const constant = this.module.typedConstant(node)
    if (constant !== undefined) return { kind: 'constant', ...constant }
    const joined = node.operator === '+' ? joinedText([node.left, node.right]) : undefined
    if (joined !== undefined) this.source.fail(node, ...joined)
    const left = this.numeric(node.left as ast.Expression, scope)
    const right = this.numeric(node.right, scope)
    this.at = node.start ?? this.at
    return this.arithmetic(node.operator, left, right, node)
  }

  #unary(node: ast.UnaryExpression, scope: Scope): Value {
    if (node.operator === '!') return this.truth(node, scope)
    if (!/^[-~+]$/.test(node.operator)) this.source.fail(node, ...noOperator(node.operator))
    const value = this.numeric(node.argument, scope)
    if (value.kind === 'constant' && (node.operator === '-' || value.type !== undefined))
      return { kind: 'constant', ...computeUnary(node.operator, value)! }
    const zero = { kind: 'constant', value: 0n } as const
    if (node.operator === '-') return this.arithmetic('-', zero, value, node)
    if (node.operator === '~') return this.arithmetic('^', value, { kind: 'constant', value: -1n }, node)
    return value
  }

  // ---- Calls

  #call(node: ast.CallExpression, scope: Scope): Value {
    if (textComparison(node) !== undefined) return this.truth(node, scope)
    const { callee } = node
    if (callee.type === 'Identifier') {
      const type = own(integers, callee.name)
      if (type !== undefined) {
        const argument = node.arguments[0]
        if (argument === undefined || node.arguments.length > 1)
          this.source.fail(node, `${callee.name} converts one number`)
        const value = this.rvalue(argument as ast.Expression, scope)
        // The address.
        if (value.kind === 'kernel pointer' && type === u64) return { kind: 'number', reg: value.reg, type }
        if (value.kind === 'pointer' && value.inArena && type === u64) return addressInProcess(this, value)
        const number = this.expectNumeric(value, argument)
        if (type !== u64) this.expectAlike(number, type, argument)
        return this.convert(number, type, node, true)
      }
      if (callee.name === 'zero') return this.#zero(node)
      // A function of the file may have the same name as a word that a newer version of the language added.
      const fn = this.module.functions.get(callee.name)
      if (fn !== undefined) return this.callFunction(callee.name, fn, node, scope)
      const builtin = own(builtins, callee.name)
      if (builtin !== undefined) return builtin(this, node, scope)
      if (isDeclarator(callee.name))
        this.source.fail(
          callee,
          `'${callee.name}' can only stand at the top of the file, not in a function`,
          `Write export const name = ${this.text(node)} there, and use its name here.`,
        )
      this.source.fail(
        callee,
        `there is no function '${callee.name}'`,
        insteadOfGlobal(callee.name) ??
          helperNamed(callee.name) ??
          nearest(callee.name, [
            ...this.module.functions.keys(),
            ...Object.keys(integers),
            ...Object.keys(builtins),
          ]),
      )
    }
    if (callee.type !== 'MemberExpression' || callee.computed)
      this.source.fail(callee, 'this cannot be called')
    const object = this.expression(callee.object as ast.Expression, scope)
    const name = (callee.property as ast.Identifier).name
    this.at = node.start ?? this.at
    if (name === 'startsWith') this.source.fail(node, 'startsWith needs text', "Write comm.startsWith('ba').")
    if (object.kind === 'namespace') return this.#callNamed(object.name, name, node, scope)
    if (object.kind === 'dynptr') return dynptrMethods(this, object, name, node, scope)
    if (object.kind === 'cursor') return cursorMethods(this, object, name, node, scope)
    if (object.kind === 'context' && isIterator(object))
      return iteratorMethods(this, object, name, node, scope)
    if (object.kind === 'context' && object.packet && name === 'dynptr')
      return packetDynptr(this, object, node)
    if (object.kind === 'context' && object.packet) return packetMethods(this, object, name, node, scope)
    if (object.kind === 'context' && hasDynptr(object)) return filterMethods(this, object, name, node, scope)
    if (object.kind === 'place' && object.type.kind === 'kptr')
      return kptrMethods(this, object, object.type, name, node, scope)
    if (object.kind === 'place' && object.type.kind === 'struct' && object.type.contains !== undefined)
      return graphMethods(this, object, object.type.contains, name, node, scope)
    if (object.kind === 'place' && isOpaque(object.type))
      return opaqueMethods(this, object, name, node, scope)
    if (object.kind === 'map') return mapMethods(this, object, name, node, scope)
    const isText =
      (object.kind === 'place' && object.type.kind === 'chars') ||
      (object.kind === 'kernel place' && this.kernel.isText(object.path.typeId))
    const hint = isText ? "Text is compared: comm === 'bash', comm.startsWith('ba')." : undefined
    this.source.fail(callee.property, `${describeValue(object)} has no function '${name}'`, hint)
  }

  #callNamed(namespace: NamespaceValue['name'], name: string, node: ast.CallExpression, scope: Scope): Value {
    switch (namespace) {
      case 'bpf':
        return callHelper(this, name, node, scope)
      case 'kfunc':
        return callKfunc(this, name, node, scope)
      case 'each':
        return this.source.fail(
          node,
          'what the kernel has is gone through by a loop, and cannot be kept',
          `Write for (const one of ${this.text(node)}) { ... }.`,
        )
    }
  }

  /** `zero<Header>()`: a value on the stack that begins as zeros. */
  #zero(node: ast.CallExpression): Value {
    const given =
      node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params[0] : undefined
    if (given === undefined || node.arguments.length > 0)
      this.source.fail(node, 'zero needs a type, and nothing else', 'Write zero<Event>().')
    const place = this.local(this.module.type(given), node)
    this.clear(place.base, place.offset, Math.ceil(sizeOf(place.type) / 8) * 8)
    return place
  }
}
