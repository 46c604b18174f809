// Expressions: names, members, calls, assignments.
import { Builder, operations } from './builder.js'
import { helperNumbers, helpers } from './helpers.js'
import type { KernelTypes } from './kernel-types.js'
import { TC, XDP } from './language.js'
import { mapMethods } from './maps.js'
import type { FunctionNode, Module } from './module.js'
import { nearest } from './nearest.js'
import type { Located } from './source.js'
import type { ast } from './syntax.js'
import { type IntType, integerOf, integers, sizeOf, type Type, u64 } from './types.js'
import {
  describeValue,
  type KernelPlaceValue,
  type KernelPointerValue,
  type NumberValue,
  type PacketValue,
  type PlaceValue,
  type Scope,
  type Value,
} from './values.js'

/** What programs that see packets return. */
const actions: Readonly<Record<string, Readonly<Record<string, number>>>> = { XDP, TC }

export abstract class ExpressionCompiler extends Builder {
  readonly module: Module
  readonly kernel: KernelTypes

  constructor(module: Module, kernel: KernelTypes) {
    super(module.source)
    this.module = module
    this.kernel = kernel
  }

  protected abstract truth(node: ast.Expression, scope: Scope): Value
  protected abstract choice(node: ast.ConditionalExpression, scope: Scope): Value
  protected abstract callFunction(
    name: string,
    fn: FunctionNode,
    node: ast.CallExpression,
    scope: Scope,
  ): Value

  sizeOf(type: Type): number {
    return sizeOf(type)
  }

  /** The value of an expression that is read: what is in memory is loaded. */
  rvalue(node: ast.Expression, scope: Scope): Value {
    const value = this.expression(node, scope)
    if (value.kind === 'kernel place') return this.readKernel(value, node)
    return value.kind === 'place' && value.type.kind === 'int' ? this.load(value, node) : value
  }

  numeric(node: ast.Expression, scope: Scope) {
    return this.expectNumeric(this.rvalue(node, scope), node)
  }

  expression(node: ast.Expression, scope: Scope): Value {
    switch (node.type) {
      case 'NumericLiteral':
        if (!Number.isSafeInteger(node.value)) {
          this.source.fail(
            node,
            `${this.text(node)} is not a whole number that JavaScript has exactly`,
            'The kernel has no fractions. Large numbers are written with an n: 0xffffffffffffffffn.',
          )
        }
        return { kind: 'constant', value: BigInt(node.value) }
      case 'BigIntLiteral':
        return { kind: 'constant', value: BigInt(node.value) }
      case 'BooleanLiteral':
        return { kind: 'constant', value: node.value ? 1n : 0n, type: integers.bool! }
      case 'Identifier':
        return this.#name(node, scope)
      case 'MemberExpression':
        return this.#member(node, scope)
      case 'CallExpression':
        return this.#call(node, scope)
      case 'BinaryExpression':
        if (!Object.hasOwn(operations, node.operator)) return this.truth(node, scope)
        return this.#binary(node, scope)
      case 'LogicalExpression':
        return this.truth(node, scope)
      case 'ConditionalExpression':
        return this.choice(node, scope)
      case 'UnaryExpression':
        return this.#unary(node, scope)
      case 'UpdateExpression':
        return this.#assign(node.argument, node.operator === '++' ? '+' : '-', 1n, node, scope)
      case 'AssignmentExpression':
        if (node.operator === '=') {
          this.#assignPlain(node, scope)
          return { kind: 'void' }
        }
        return this.#assign(node.left, node.operator.slice(0, -1), node.right, node, scope)
      case 'ParenthesizedExpression':
      case 'TSNonNullExpression':
        return this.expression(node.expression, scope)
      case 'TSAsExpression': {
        const type = this.module.type(node.typeAnnotation)
        if (type.kind !== 'int') this.source.fail(node, 'only numbers are converted')
        return this.convert(this.numeric(node.expression, scope), type, node, true)
      }
      case 'StringLiteral':
      case 'TemplateLiteral':
        this.source.fail(node, 'text can only be assigned to a char<N>')
        break
      case 'ArrowFunctionExpression':
      case 'FunctionExpression':
        this.source.fail(
          node,
          'a function cannot be a value in the kernel',
          'Declare it at the top of the file, and call it by its name.',
        )
        break
      case 'NewExpression':
      case 'ObjectExpression':
      case 'ArrayExpression':
        this.source.fail(
          node,
          'the kernel side has no objects on a heap',
          'Declare a variable with an interface as its type, or use a map.',
        )
    }
    this.source.fail(node, `${node.type} is not an expression of the kernel side`)
  }

  protected text(node: Located): string {
    return this.source.text.slice(node.start ?? 0, node.end ?? 0)
  }

  #name(node: ast.Identifier, scope: Scope): Value {
    const { name } = node
    const variable = scope.get(name)
    if (variable !== undefined) return variable.value
    const constant = this.module.constants.get(name)
    if (constant !== undefined) return { kind: 'constant', value: constant }
    const map = this.module.maps.get(name)
    if (map !== undefined) return { kind: 'map', map }
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
        ...(isConstant && {
          readonly: `'${name}' is rodata: only user space sets it, before the program is loaded`,
        }),
      }
    }
    if (name === 'bpf') return { kind: 'namespace' }
    const constants = actions[name]
    if (constants !== undefined) return { kind: 'constants', name, values: constants }
    const known = [
      ...scope.keys(),
      ...this.module.maps.keys(),
      ...this.module.globals.keys(),
      ...this.module.constants.keys(),
    ]
    this.source.fail(
      node,
      `there is no '${name}' here`,
      nearest(name, [...known, ...this.module.functions.keys()]),
    )
  }

  // ---- Members

  #member(node: ast.MemberExpression, scope: Scope): Value {
    const object = this.expression(node.object as ast.Expression, scope)
    if (node.computed) return this.#element(object, node, scope)
    const name = (node.property as ast.Identifier).name
    switch (object.kind) {
      case 'pointer':
        this.#expectPresent(node.object, scope)
        return this.#memberOf(
          { kind: 'place', base: object.reg, offset: 0, type: object.type, shared: object.shared },
          name,
          node,
        )
      case 'place':
        return this.#memberOf(object, name, node)
      case 'constants': {
        const value = object.values[name]
        if (value === undefined)
          this.source.fail(
            node.property,
            `${object.name} has no '${name}'`,
            nearest(name, Object.keys(object.values)),
          )
        return { kind: 'constant', value: BigInt(value) }
      }
      case 'kernel pointer':
        return this.#kernelMember(object, [], object.record.id, name, node)
      case 'kernel place': {
        const type = this.kernel.btf.resolve(object.path.typeId)
        if (type.kind === 'struct' || type.kind === 'union') {
          return this.#kernelMember(object.pointer, object.path.steps, type.id, name, node)
        }
        const value = this.readKernel(object, node.object)
        if (value.kind === 'kernel pointer') return this.#kernelMember(value, [], value.record.id, name, node)
      }
    }
    this.source.fail(node.property, `${describeValue(object)} has no member '${name}'`)
  }

  #memberOf(place: PlaceValue, name: string, node: ast.MemberExpression): Value {
    const { type } = place
    if (type.kind === 'int' && name === 'value') return place
    if (type.kind !== 'struct') {
      this.source.fail(
        node.property,
        `${this.text(node.object)} has no member '${name}'`,
        type.kind === 'int' ? `It is a ${type.name}: write ${this.text(node.object)}.value.` : undefined,
      )
    }
    const member = type.members.find((member) => member.name === name)
    if (member === undefined) {
      this.source.fail(
        node.property,
        `${type.name} has no member '${name}'`,
        nearest(
          name,
          type.members.map(({ name }) => name),
        ),
      )
    }
    return { ...place, offset: place.offset + member.offset, type: member.type }
  }

  #element(object: Value, node: ast.MemberExpression, scope: Scope): Value {
    const index = this.module.constant(node.property)
    if (object.kind === 'place' && (object.type.kind === 'array' || object.type.kind === 'chars')) {
      const { type } = object
      const of: Type = type.kind === 'chars' ? integers.u8! : type.of
      if (index === undefined) return this.#variableElement(object, of, type.length, node, scope)
      if (index < 0n || index >= BigInt(type.length)) {
        this.source.fail(node.property, `the array has ${type.length} elements, 0 to ${type.length - 1}`)
      }
      return { ...object, offset: object.offset + Number(index) * sizeOf(of), type: of }
    }
    if (object.kind === 'kernel place') return this.#kernelElement(object, index, node)
    this.source.fail(node, `${describeValue(object)} has no elements`)
  }

  #kernelElement(
    { pointer, path, kind }: KernelPlaceValue,
    index: bigint | undefined,
    node: ast.MemberExpression,
  ): KernelPlaceValue {
    const type = this.kernel.btf.resolve(path.typeId)
    if (type.kind !== 'array') this.source.fail(node, `this part of struct ${path.root.name} is not an array`)
    if (index === undefined)
      this.source.fail(node.property, 'the index into an array of the kernel has to be a constant')
    if (index < 0n || (type.length > 0 && index >= BigInt(type.length))) {
      this.source.fail(node.property, `the array has ${type.length} elements, 0 to ${type.length - 1}`)
    }
    return {
      kind,
      pointer,
      path: { root: path.root, steps: [...path.steps, Number(index)], typeId: type.typeId },
    }
  }

  /** An element by a number that is only known when the program runs: it is kept within the array. */
  #variableElement(
    place: PlaceValue,
    of: Type,
    length: number,
    node: ast.MemberExpression,
    scope: Scope,
  ): Value {
    if ((length & (length - 1)) !== 0) {
      this.source.fail(
        node.property,
        'the index has to be a constant, unless the length of the array is a power of two',
        `Such an index is kept within the array: array<..., ${2 ** Math.ceil(Math.log2(length))}>.`,
      )
    }
    const index = this.inReg(
      this.convert(this.numeric(node.property as ast.Expression, scope), integerOf(4, false), node, true),
    )
    const [masked, scaled, base] = [this.newReg(), this.newReg(), this.newReg()]
    this.push({ op: 'alu', operation: 'and', bits: 32, d: masked, a: index, b: { imm: length - 1 } })
    this.push({ op: 'alu', operation: 'mul', bits: 64, d: scaled, a: masked, b: { imm: sizeOf(of) } })
    const start = this.newReg()
    if (place.base === 'frame') this.push({ op: 'frame', d: start, offset: place.offset })
    else
      this.push({ op: 'alu', operation: 'add', bits: 64, d: start, a: place.base, b: { imm: place.offset } })
    this.push({ op: 'alu', operation: 'add', bits: 64, d: base, a: start, b: { reg: scaled } })
    return { ...place, base, offset: 0, type: of }
  }

  /** A pointer that may be null cannot be followed. */
  #expectPresent(node: ast.Node, scope: Scope): void {
    const name = node.type === 'Identifier' ? node.name : undefined
    const state = name === undefined ? 'maybe' : scope.get(name)?.state
    if (state === 'present') return
    if (state === 'given back') {
      this.source.fail(node, `the record '${name}' was submitted or discarded, and belongs to the reader`)
    }
    if (state === 'absent') this.source.fail(node, `'${name}' is null here`)
    this.source.fail(
      node,
      `${name === undefined ? 'this' : `'${name}'`} may be null here`,
      name === undefined
        ? 'Give it a name first, and compare that: if (!value) return 0.'
        : `Compare it first: if (!${name}) return 0.`,
    )
  }

  // ---- The kernel's memory

  #kernelMember(
    pointer: KernelPointerValue,
    steps: readonly (string | number)[],
    recordId: number,
    name: string,
    node: ast.MemberExpression,
  ): KernelPlaceValue {
    const record = this.kernel.btf.resolve(recordId)
    if (record.kind !== 'struct' && record.kind !== 'union') this.source.fail(node, 'this has no members')
    const member = this.kernel.member(record, name)
    if (member === undefined) {
      this.source.fail(
        node.property,
        `struct ${record.name} has no member '${name}' in this kernel`,
        nearest(name, this.kernel.memberNames(record)),
      )
    }
    if (member.bitfieldSize > 0)
      this.source.fail(node.property, `'${name}' is a bitfield, which cannot be read yet`)
    return {
      kind: 'kernel place',
      pointer,
      path: { root: pointer.record, steps: [...steps, name], typeId: member.typeId },
    }
  }

  /** Reads a part of a kernel struct: a number, or a pointer to another one. */
  readKernel(value: KernelPlaceValue, node: Located): Value {
    const type = this.kernel.btf.resolve(value.path.typeId)
    switch (type.kind) {
      case 'int':
      case 'enum':
      case 'enum64': {
        const isSigned = type.signed && !(type.kind === 'int' && type.bool)
        return this.#loadKernel(value, integerOf(type.size, isSigned))
      }
      case 'ptr': {
        const to = this.kernel.btf.resolve(type.typeId)
        const { reg } = this.#loadKernel(value, u64)
        if (to.kind === 'struct' || to.kind === 'union') {
          return { kind: 'kernel pointer', reg, record: to, trusted: value.pointer.trusted }
        }
        return { kind: 'number', reg, type: u64 }
      }
      case 'array':
        this.source.fail(node, 'an array of the kernel can only be assigned to a char<N> or bytes<N>')
        break
      default:
        this.source.fail(node, `a struct inside of another has to be read member by member`)
    }
  }

  #loadKernel({ pointer, path }: KernelPlaceValue, type: IntType): NumberValue {
    const { core, offset } = this.kernel.offsetOf(path)
    const d = this.newReg()
    if (pointer.trusted) this.push({ op: 'load', d, base: pointer.reg, offset, size: type.size, core })
    else {
      const slot = this.newSlot(type.size)
      this.call(helperNumbers.probeReadKernel, [
        { frame: slot },
        { imm: type.size },
        { reg: this.kernelAddress({ kind: 'kernel place', pointer, path }) },
      ])
      this.push({ op: 'load', d, base: 'frame', offset: slot, size: type.size })
    }
    return this.signed({ kind: 'number', reg: d, type })
  }

  /** The address of a part of a kernel struct. */
  kernelAddress({ pointer, path }: KernelPlaceValue): number {
    const { core, offset } = this.kernel.offsetOf(path)
    const d = this.newReg()
    this.push({ op: 'alu', operation: 'add', bits: 64, d, a: pointer.reg, b: { imm: offset }, core })
    return d
  }

  // ---- Arithmetic and assignment

  #binary(node: ast.BinaryExpression, scope: Scope): Value {
    const constant = this.module.constant(node)
    if (constant !== undefined) return { kind: 'constant', value: constant }
    const left = this.numeric(node.left as ast.Expression, scope)
    const right = this.numeric(node.right, scope)
    this.at = node.start ?? this.at
    return this.arithmetic(node.operator, left, right, node)
  }

  #unary(node: ast.UnaryExpression, scope: Scope): Value {
    if (node.operator === '!') return this.truth(node, scope)
    const value = this.numeric(node.argument, scope)
    if (value.kind === 'constant' && node.operator === '-') return { kind: 'constant', value: -value.value }
    const zero = { kind: 'constant', value: 0n } as const
    if (node.operator === '-') return this.arithmetic('-', zero, value, node)
    if (node.operator === '~') return this.arithmetic('^', value, { kind: 'constant', value: -1n }, node)
    if (node.operator === '+') return value
    this.source.fail(node, `'${node.operator}' is not an operation of the kernel side`)
  }

  #assignPlain(node: ast.AssignmentExpression, scope: Scope): void {
    const { left, right } = node
    const variable = left.type === 'Identifier' ? scope.get(left.name) : undefined
    if (variable !== undefined && variable.value.kind === 'number') {
      this.#expectMutable(left as ast.Identifier, scope)
      const { reg, type } = variable.value
      const value = this.convert(this.numeric(right, scope), type, right)
      this.push({ op: 'move', d: reg, s: this.inReg(value), bits: 64 })
      return
    }
    this.assignTo(this.#place(left as ast.Expression, scope), right, scope)
  }

  #expectMutable(node: ast.Identifier, scope: Scope): void {
    if (scope.get(node.name)?.mutable === false)
      this.source.fail(node, `'${node.name}' is const`, 'Declare it with let.')
  }

  /** `place += value` and the like. */
  #assign(
    target: ast.Node,
    operator: string,
    right: ast.Expression | bigint,
    node: ast.Node,
    scope: Scope,
  ): Value {
    const operand =
      typeof right === 'bigint' ? ({ kind: 'constant', value: right } as const) : this.numeric(right, scope)
    const variable = target.type === 'Identifier' ? scope.get(target.name) : undefined
    if (variable?.value.kind === 'number') {
      this.#expectMutable(target as ast.Identifier, scope)
      const { reg, type } = variable.value
      const sum = this.arithmetic(operator, variable.value, operand, node)
      this.push({ op: 'move', d: reg, s: this.inReg(this.convert(sum, type, node, true)), bits: 64 })
      return { kind: 'void' }
    }
    const place = this.#place(target as ast.Expression, scope)
    const { type } = place
    if (type.kind !== 'int') this.source.fail(target, `${describeValue(place)} is not a number`)
    const isAtomic =
      place.shared === true && (operator === '+' || operator === '-') && type.size >= 4 && !type.bigEndian
    if (isAtomic) {
      let value = this.inReg(this.convert(operand, type, node, true))
      if (operator === '-') {
        const d = this.newReg()
        this.push({ op: 'neg', d, a: value, bits: 64 })
        value = d
      }
      this.push({ op: 'atomicAdd', base: place.base, offset: place.offset, size: type.size as 4 | 8, value })
      return { kind: 'void' }
    }
    const sum = this.arithmetic(operator, this.load(place, target), operand, node)
    this.store(place, this.convert(sum, type, node, true), node)
    return { kind: 'void' }
  }

  /** Something in memory that can be written. */
  #place(node: ast.Expression, scope: Scope): PlaceValue {
    const value = this.expression(node, scope)
    if (value.kind === 'kernel place' || value.kind === 'kernel pointer') {
      this.source.fail(node, "the kernel's own memory can only be read")
    }
    if (value.kind !== 'place') this.source.fail(node, `${describeValue(value)} cannot be assigned to`)
    if (value.readonly !== undefined) this.source.fail(node, value.readonly)
    return value
  }

  /** Writes the value of an expression into memory. */
  assignTo(place: PlaceValue, node: ast.Expression, scope: Scope): void {
    const { type } = place
    if (type.kind === 'int') {
      const value = this.numeric(node, scope)
      this.store(place, this.convert(value, type, node), node)
      return
    }
    if (type.kind === 'chars') {
      this.#assignText(place, type.length, node, scope)
      return
    }
    if (type.kind === 'struct' && node.type === 'ObjectExpression') {
      this.assignMembers(place, node, scope)
      return
    }
    const value = this.expression(node, scope)
    if (value.kind === 'place' && value.type === type) {
      this.#copy(place, value)
      return
    }
    this.source.fail(node, `${describeValue(value)} cannot be assigned to ${describeValue(place)}`)
  }

  /** `{ pid: 1, comm: task.comm }`, into a struct in memory. All members have to be named. */
  assignMembers(place: PlaceValue, node: ast.ObjectExpression, scope: Scope): void {
    if (place.type.kind !== 'struct') this.source.fail(node, 'this is not a struct')
    const { name, members } = place.type
    const given = new Set<string>()
    for (const property of node.properties) {
      if (property.type !== 'ObjectProperty' || property.key.type !== 'Identifier') {
        this.source.fail(property, 'members are written as name: value')
      }
      const key = property.key.name
      const member = members.find((member) => member.name === key)
      if (member === undefined)
        this.source.fail(
          property.key,
          `${name} has no member '${key}'`,
          nearest(
            key,
            members.map(({ name }) => name),
          ),
        )
      given.add(key)
      this.at = property.start ?? this.at
      this.assignTo(
        { ...place, offset: place.offset + member.offset, type: member.type },
        property.value as ast.Expression,
        scope,
      )
    }
    const missing = members.filter((member) => !given.has(member.name)).map((member) => `'${member.name}'`)
    if (missing.length > 0) this.source.fail(node, `${name} also has ${missing.join(', ')}`)
    this.#clearPadding(place)
  }

  /** What no member covers would show what was there before. */
  #clearPadding({ base, offset, type }: PlaceValue): void {
    if (type.kind !== 'struct') return
    let end = 0
    for (const member of [...type.members, { offset: type.size, type: undefined }]) {
      if (member.offset > end) this.clear(base, offset + end, member.offset - end)
      end = member.offset + (member.type ? sizeOf(member.type) : 0)
    }
  }

  #assignText(place: PlaceValue, length: number, node: ast.Expression, scope: Scope): void {
    if (node.type === 'StringLiteral') {
      const bytes = new TextEncoder().encode(node.value)
      if (bytes.length >= length)
        this.source.fail(
          node,
          `the text has ${bytes.length} bytes, and with the zero byte at its end char<${length}> is too short`,
        )
      for (let i = 0; i < length; i++) {
        this.push({
          op: 'store',
          base: place.base,
          offset: place.offset + i,
          size: 1,
          value: { imm: bytes[i] ?? 0 },
        })
      }
      return
    }
    const isComm =
      node.type === 'CallExpression' &&
      node.arguments.length === 0 &&
      this.text(node.callee) === 'bpf.getCurrentComm'
    if (isComm) {
      this.call(helperNumbers.getCurrentComm, [this.address(place), { imm: length }])
      return
    }
    const isUserText = node.type === 'CallExpression' && this.text(node.callee) === 'bpf.probeReadUserStr'
    if (isUserText) {
      const [address] = node.arguments
      if (address === undefined || node.arguments.length > 1)
        this.source.fail(node, 'probeReadUserStr needs the address of the text')
      const reg = this.inReg(this.numeric(address as ast.Expression, scope))
      this.call(helperNumbers.probeReadUserStr, [this.address(place), { imm: length }, { reg }])
      return
    }
    const value = this.expression(node, scope)
    if (value.kind === 'kernel place' && this.kernel.btf.resolve(value.path.typeId).kind === 'array') {
      this.call(helperNumbers.probeReadKernelStr, [
        this.address(place),
        { imm: length },
        { reg: this.kernelAddress(value) },
      ])
      return
    }
    if (value.kind === 'place' && value.type.kind === 'chars' && value.type.length <= length) {
      this.clear(place.base, place.offset, length)
      this.#copy({ ...place, type: value.type }, value)
      return
    }
    this.source.fail(
      node,
      `${describeValue(value)} is not text`,
      'Text comes from bpf.getCurrentComm(), a char[] of the kernel, another char<N>, or a literal.',
    )
  }

  #copy(to: PlaceValue, from: PlaceValue): void {
    const size = sizeOf(from.type)
    for (let at = 0; at < size; ) {
      const step = [8, 4, 2, 1].find(
        (step) => at + step <= size && (to.offset + at) % step === 0 && (from.offset + at) % step === 0,
      )!
      const d = this.newReg()
      this.push({ op: 'load', d, base: from.base, offset: from.offset + at, size: step })
      this.push({ op: 'store', base: to.base, offset: to.offset + at, size: step, value: { reg: d } })
      at += step
    }
  }

  // ---- Calls

  #call(node: ast.CallExpression, scope: Scope): Value {
    const { callee } = node
    if (callee.type === 'Identifier') {
      const type = integers[callee.name]
      if (type !== undefined) {
        const argument = node.arguments[0]
        if (argument === undefined || node.arguments.length > 1)
          this.source.fail(node, `${callee.name} converts one number`)
        return this.convert(this.numeric(argument as ast.Expression, scope), type, node, true)
      }
      const fn = this.module.functions.get(callee.name)
      if (fn !== undefined) return this.callFunction(callee.name, fn, node, scope)
      this.source.fail(
        callee,
        `there is no function '${callee.name}'`,
        nearest(callee.name, [...this.module.functions.keys(), ...Object.keys(integers)]),
      )
    }
    if (callee.type !== 'MemberExpression' || callee.computed)
      this.source.fail(callee, 'this cannot be called')
    const object = this.expression(callee.object as ast.Expression, scope)
    const name = (callee.property as ast.Identifier).name
    this.at = node.start ?? this.at
    if (object.kind === 'namespace') return this.#helper(name, node, scope)
    if (object.kind === 'packet') return this.#readPacket(object, name, node)
    if (object.kind === 'map') return mapMethods(this, object.map, name, node, scope)
    this.source.fail(callee.property, `${describeValue(object)} has no function '${name}'`)
  }

  /** `packet.read<Ethernet>(0)`: a pointer into the packet, or null if the packet ends before the struct does. */
  #readPacket(packet: PacketValue, name: string, node: ast.CallExpression): Value {
    const { property } = node.callee as ast.MemberExpression
    if (name !== 'read')
      this.source.fail(
        property,
        `the packet has no function '${name}'`,
        'It has read: packet.read<Ethernet>(0).',
      )
    const given =
      node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params[0] : undefined
    const argument = node.arguments[0]
    const offset = argument && this.module.constant(argument)
    if (given === undefined || offset === undefined || offset < 0n || offset > 0xffffn) {
      this.source.fail(node, 'read needs a type and a constant offset', 'Write packet.read<Ethernet>(0).')
    }
    const type = this.module.type(given)
    const [data, end, pointer, behind, result] = [
      this.newReg(),
      this.newReg(),
      this.newReg(),
      this.newReg(),
      this.newReg(),
    ]
    const [outside, done] = [this.newLabel(), this.newLabel()]
    this.push({ op: 'load', d: data, base: packet.context, offset: packet.data, size: 4 })
    this.push({ op: 'load', d: end, base: packet.context, offset: packet.end, size: 4 })
    this.push({ op: 'alu', operation: 'add', bits: 64, d: pointer, a: data, b: { imm: Number(offset) } })
    this.push({ op: 'alu', operation: 'add', bits: 64, d: behind, a: pointer, b: { imm: sizeOf(type) } })
    this.push({ op: 'branch', comparison: 'gt', bits: 64, a: behind, b: { reg: end }, to: outside })
    this.push({ op: 'move', d: result, s: pointer, bits: 64 })
    this.jump(done)
    this.label(outside)
    this.push({ op: 'const', d: result, value: 0n })
    this.label(done)
    return { kind: 'pointer', reg: result, type, shared: false }
  }

  #helper(name: string, node: ast.CallExpression, scope: Scope): Value {
    if (name === 'getCurrentTask') {
      const record = this.kernel.record('task_struct')
      if (record === undefined) this.source.fail(node, 'the types of the kernel have no task_struct')
      return {
        kind: 'kernel pointer',
        reg: this.call(helperNumbers.getCurrentTask, []),
        record,
        trusted: false,
      }
    }
    const signature = helpers[name]
    if (signature === undefined) {
      if (name === 'getCurrentComm' || name === 'probeReadUserStr') {
        this.source.fail(node, `bpf.${name}() has to be assigned to a char<N>`)
      }
      const { property } = node.callee as ast.MemberExpression
      this.source.fail(
        property,
        `there is no helper '${name}'`,
        nearest(name, [...Object.keys(helpers), 'getCurrentTask', 'getCurrentComm']),
      )
    }
    const { number, parameters, returns } = signature
    if (node.arguments.length !== parameters.length) {
      this.source.fail(
        node,
        `${name} has ${parameters.length} arguments, and ${node.arguments.length} are given`,
      )
    }
    const args = parameters.map((type, i) => {
      const argument = node.arguments[i] as ast.Expression
      return { reg: this.inReg(this.convert(this.numeric(argument, scope), type, argument)) }
    })
    return { kind: 'number', reg: this.call(number, args), type: returns }
  }
}
