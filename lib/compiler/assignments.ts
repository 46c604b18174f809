// Assignments: to variables and to memory, of numbers, structs and text.

import type { HelperName } from '../asm/helper-names.js'
import type { Reg } from './ir.js'
import { expectAligned } from './maps/alignment.js'
import { setPointer, storedPointer } from './maps/arena.js'
import { isOpaque } from './maps/opaque.js'
import { MemberCompiler } from './members.js'
import { nearest } from './nearest.js'
import { noSpread } from './not-in-kernel.js'
import { own } from './own.js'
import type { Located } from './source.js'
import type { ast } from './syntax.js'
import { addressAsNumber, readComm, textAddress, textHelper } from './text.js'
import { type ArrayType, describe, integers, sizeOf, type Type, u32 } from './types.js'
import { copyUser, textBehind, userPlace } from './user-memory.js'
import {
  alignmentOf,
  describeValue,
  type KernelPlaceValue,
  type PlaceValue,
  type Scope,
  type Value,
} from './values.js'

/** `zero<T>()` */
export const isZero = (node: ast.Node): node is ast.CallExpression =>
  node.type === 'CallExpression' && node.callee.type === 'Identifier' && node.callee.name === 'zero'

/** The functions that read text from memory, by how a program writes them. */
const textReaders = new Map<string, { name: string; helper: HelperName }>([
  ['str', { name: 'str', helper: 'probe_read_user_str' }],
  ['bpf.probeReadUserStr', { name: 'probeReadUserStr', helper: 'probe_read_user_str' }],
  ['bpf.probeReadKernelStr', { name: 'probeReadKernelStr', helper: 'probe_read_kernel_str' }],
])

export abstract class AssignmentCompiler extends MemberCompiler {
  protected assignPlain(node: ast.AssignmentExpression, scope: Scope): void {
    const { left, right } = node
    const variable = left.type === 'Identifier' ? scope.get(left.name) : undefined
    if (variable !== undefined && variable.value.kind === 'number') {
      this.#expectMutable(left, scope)
      const { reg, type } = variable.value
      const value = this.convert(this.numeric(right, scope), type, right)
      this.push({ op: 'move', d: reg, s: this.inReg(value), bits: 64 })
      return
    }
    if (left.type === 'Identifier' && variable?.value.kind === 'pointer' && variable.value.inArena) {
      this.#expectMutable(left, scope)
      const state = setPointer(this, variable.value, right, scope)
      scope.set(left.name, { ...variable, state })
      return
    }
    const place = this.#place(left as ast.Expression, scope)
    this.#expectMutable(left, scope)
    if (place.kind === 'kernel place') {
      this.storeKernel(place, this.numeric(right, scope), left, right)
      return
    }
    if (!this.#readsMemory(right, scope)) {
      this.assignTo(place, right, scope, true)
      return
    }
    // The values are those from before the assignment: point = { x: point.y, y: point.x }.
    const whole = this.local(place.type, right)
    this.assignTo(whole, right, scope, true)
    this.copy(place, whole)
  }

  /** Whether what is written member by member reads memory, which may be the memory that is written. */
  #readsMemory(node: ast.Node | null, scope: Scope): boolean {
    switch (node?.type) {
      case 'ObjectExpression':
        return node.properties.some((one) => one.type === 'ObjectProperty' && this.#mayRead(one.value, scope))
      case 'ArrayExpression':
        return node.elements.some((one) => one !== null && this.#mayRead(one, scope))
    }
    return false
  }

  #mayRead(node: ast.Node, scope: Scope): boolean {
    switch (node.type) {
      case 'StringLiteral':
        return false
      case 'ObjectExpression':
      case 'ArrayExpression':
        return this.#readsMemory(node, scope)
      case 'Identifier':
        return scope.get(node.name)?.value.kind !== 'number' && this.module.constant(node) === undefined
      case 'BinaryExpression':
        return this.#mayRead(node.left, scope) || this.#mayRead(node.right, scope)
      case 'CallExpression':
        return (
          own(integers, this.text(node.callee)) === undefined ||
          node.arguments.some((one) => this.#mayRead(one, scope))
        )
    }
    return this.module.constant(node) === undefined
  }

  #expectMutable(node: ast.Node, scope: Scope): void {
    if (node.type !== 'Identifier') return
    const variable = scope.get(node.name)
    if ((variable ?? this.module.globals.get(node.name))?.mutable !== false) return
    const value = variable?.value
    if (variable?.isRound)
      this.source.fail(
        node,
        `'${node.name}' counts the rounds of a range, and cannot be changed`,
        `Write for (let ${node.name} = 0; ${node.name} < 10; ${node.name} += 2), or let copy = ${node.name}.`,
      )
    // What a pointer from the kernel leads to.
    if (value?.kind === 'place' && value.type.kind === 'int')
      this.source.fail(node, `'${node.name}' is const`, `The number is ${node.name}.value.`)
    const hint = variable ? 'Declare it with let.' : `Write export let ${node.name} instead.`
    this.source.fail(node, `'${node.name}' is const`, hint)
  }

  /** `place += value` and the like. */
  protected assign(
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
      this.#expectMutable(target, scope)
      const { reg, type } = variable.value
      const sum = this.arithmetic(operator, variable.value, operand, node)
      this.push({ op: 'move', d: reg, s: this.inReg(this.convert(sum, type, node, true)), bits: 64 })
      return { kind: 'void' }
    }
    const place = this.#place(target as ast.Expression, scope)
    this.#expectMutable(target, scope)
    if (place.kind === 'kernel place') {
      const before = this.expectNumeric(this.readKernel(place, target), target)
      this.storeKernel(place, this.arithmetic(operator, before, operand, node), target, node, true)
      return { kind: 'void' }
    }
    const { type } = place
    if (type.kind !== 'int') this.source.fail(target, `${describeValue(place)} is not a number`)
    const isAtomic =
      place.shared === true &&
      (operator === '+' || operator === '-') &&
      type.size >= 4 &&
      !type.bigEndian &&
      type.user === undefined
    if (isAtomic) {
      expectAligned(this.source, alignmentOf(place), type, node)
      if (place.inArena)
        this.expectKernel(
          '6.10',
          node,
          'an addition in an arena that CPUs may make at the same time',
          `Write ${this.text(target)} = ${this.text(target)} ${operator} ..., if no other CPU does.`,
        )
      let value = this.inReg(this.side(operand, type, node))
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

  #mapNamed(node: ast.Node, scope: Scope): string | undefined {
    const isMap = node.type === 'Identifier' && !scope.has(node.name) && this.module.maps.has(node.name)
    return isMap ? node.name : undefined
  }

  /**
   * Something in memory that can be written. In programs of struct_ops and writable tracepoints, it may be kernel
   * memory.
   */
  #place(node: ast.Expression, scope: Scope): PlaceValue | KernelPlaceValue {
    const map =
      node.type === 'MemberExpression' && node.computed ? this.#mapNamed(node.object, scope) : undefined
    if (map !== undefined)
      this.source.fail(
        node,
        `the map '${map}' has no elements`,
        `Write ${map}.set(${this.text((node as ast.MemberExpression).property)}, value).`,
      )
    const value = this.expression(node, scope)
    if (value.kind === 'pointer' && value.from !== undefined && node.type !== 'Identifier') return value.from
    if (value.kind === 'kernel place' && (this.program.ops !== undefined || value.pointer.isBuffer))
      return value
    if (node.type === 'Identifier' && (value.kind === 'kernel pointer' || value.kind === 'pointer'))
      this.source.fail(
        node,
        `'${node.name}' cannot be assigned to: it is ${describeValue(value)}`,
        value.kind === 'pointer' && value.type.kind === 'int'
          ? `The number is ${node.name}.value.`
          : undefined,
      )
    if (value.kind === 'kernel place' || value.kind === 'kernel pointer') {
      this.source.fail(node, "the kernel's own memory can only be read")
    }
    if (value.kind === 'user place')
      this.source.fail(
        node,
        'the memory of a process can only be read here',
        'A variable of yours is written there with bpf.probeWriteUser(pointer, variable).',
      )
    if (value.kind === 'constant' && node.type === 'Identifier')
      this.source.fail(
        node,
        `'${node.name}' is const`,
        scope.has(node.name)
          ? 'Declare it with let.'
          : `Write export let ${node.name} = data<u64>(${value.value}) instead.`,
      )
    if (value.kind !== 'place') this.source.fail(node, `${describeValue(value)} cannot be assigned to`)
    if (value.readonly !== undefined) this.source.fail(node, value.readonly)
    return value
  }

  /** Something in memory, as a variable or by a pointer that was compared with null. */
  place(node: ast.Expression, scope: Scope): PlaceValue {
    const value = this.expression(node, scope)
    const user = userPlace(this, value, node)
    if (user !== undefined) return copyUser(this, this.local(user.type, node), user, node)
    if (value.kind === 'place') return value
    if (value.kind !== 'pointer') {
      this.source.fail(
        node,
        `a struct is wanted here, and this is ${describeValue(value)}`,
        'Write its members, { pid: 1 }, or name a variable that is one.',
      )
    }
    return this.behind(value, node, scope)
  }

  /**
   * Writes the value of an expression into memory.
   *
   * @param isUsed - there may be bytes other than zeros; text that is copied up to its zero byte then leaves none of
   * them behind it
   */
  assignTo(place: PlaceValue, node: ast.Expression, scope: Scope, isUsed = false): void {
    const { type } = place
    if (isOpaque(type) && !isZero(node))
      this.source.fail(
        node,
        `only the kernel changes a ${type.kind === 'kptr' ? 'kptr' : type.kind === 'struct' && type.name === 'bpf_timer' ? 'timer' : 'spin lock'}`,
        type.kind === 'kptr' ? 'Write place.xchg(reference).' : 'Leave it out.',
      )
    if (isZero(node)) {
      const given = this.zeroType(node)
      if (given !== undefined && describe(given) !== describe(type))
        this.source.fail(node, `zero<${describe(given)}>() cannot be assigned to a ${describe(type)}`)
      this.clear(place.base, place.offset, sizeOf(type), place.align)
      return
    }
    if (type.kind === 'int') {
      if (node.type === 'ObjectExpression')
        this.source.fail(node, `a ${type.name} is wanted here, and this is a struct`)
      const address = node.type === 'StringLiteral' ? addressAsNumber(node) : undefined
      if (address !== undefined)
        this.source.fail(node, `a ${type.name} is wanted here, and this is text`, address)
      const value = this.numeric(node, scope)
      this.store(place, this.convert(value, type, node), node)
      return
    }
    if (type.kind === 'ptr') {
      const value = storedPointer(this, type, node, scope)
      this.push({ op: 'store', base: place.base, offset: place.offset, size: type.size, value })
      return
    }
    if (type.kind === 'chars') {
      this.#assignText(place, type.length, node, scope, isUsed && !place.inRecord)
      return
    }
    if (type.kind === 'struct' && node.type === 'ObjectExpression') {
      this.assignMembers(place, node, scope, isUsed)
      return
    }
    if (type.kind === 'array' && node.type === 'ArrayExpression') {
      this.#assignElements(place, type, node, scope, isUsed)
      return
    }
    const found = this.expression(node, scope)
    const value = found.kind === 'pointer' ? this.behind(found, node, scope) : found
    if (value.kind === 'place' && describe(value.type) === describe(type)) {
      this.copy(place, value)
      return
    }
    const user = userPlace(this, value, node)
    if (user !== undefined && describe(user.type) === describe(type)) {
      copyUser(this, place, user, node)
      return
    }
    if (value.kind === 'kernel place' && type.kind === 'array') {
      this.#assignBytes(place, value, node)
      return
    }
    this.source.fail(node, `${describeValue(value)} cannot be assigned to ${describeValue(place)}`)
  }

  /** Copies a part of the kernel's memory that has the same size. */
  #assignBytes(place: PlaceValue, value: KernelPlaceValue, node: Located): void {
    if (place.inArena) {
      const copy = this.local(place.type, node)
      this.#assignBytes(copy, value, node)
      this.copy(place, copy)
      return
    }
    const [size, wanted] = [this.kernel.btf.sizeOf(value.path.typeId), sizeOf(place.type)]
    if (size !== wanted)
      this.source.fail(node, `this part of the kernel's memory has ${size} bytes, and ${wanted} are wanted`)
    this.call('probe_read_kernel', [this.address(place), { imm: size }, { reg: this.kernelAddress(value) }])
  }

  /** `[1, 2, 3]`, into an array in memory. */
  #assignElements(
    place: PlaceValue,
    type: ArrayType,
    node: ast.ArrayExpression,
    scope: Scope,
    isUsed: boolean,
  ): void {
    const { elements } = node
    if (elements.length !== type.length)
      this.source.fail(node, `the array has ${type.length} elements, and ${elements.length} are given`)
    for (const [i, element] of elements.entries()) {
      if (element === null || element.type === 'SpreadElement')
        this.source.fail(element ?? node, 'the elements are written one by one')
      const offset = place.offset + i * sizeOf(type.of)
      this.assignTo({ ...place, offset, type: type.of }, element, scope, isUsed)
    }
  }

  /** The type between the angle brackets of `zero<T>()`. */
  protected zeroType(node: ast.CallExpression): Type | undefined {
    const [type] =
      node.typeParameters?.type === 'TSTypeParameterInstantiation' ? node.typeParameters.params : []
    return type && this.module.type(type)
  }

  /** `{ pid: 1, comm: task.comm }`, into a struct in memory. All members have to be named. */
  assignMembers(place: PlaceValue, node: ast.ObjectExpression, scope: Scope, isUsed = false): void {
    if (place.type.kind !== 'struct') this.source.fail(node, 'this is not a struct')
    const { name, members } = place.type
    const given = new Set<string>()
    for (const property of node.properties) {
      if (property.type !== 'ObjectProperty' || property.key.type !== 'Identifier') {
        this.source.fail(
          property,
          ...(property.type === 'SpreadElement'
            ? noSpread
            : (['members are written as name: value'] as const)),
        )
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
        isUsed,
      )
    }
    for (const member of members) {
      if (given.has(member.name) || !isOpaque(member.type)) continue
      this.clear(place.base, place.offset + member.offset, sizeOf(member.type), place.align)
      given.add(member.name)
    }
    const missing = members.filter((member) => !given.has(member.name)).map((member) => `'${member.name}'`)
    if (missing.length > 0) this.source.fail(node, `${name} also has ${missing.join(', ')}`)
    this.#clearPadding(place)
  }

  /** Without this, bytes that no member covers would show what was there before. */
  #clearPadding({ base, offset, type, align }: PlaceValue): void {
    if (type.kind !== 'struct') return
    let end = 0
    for (const member of [...type.members, { offset: type.size, type: undefined }]) {
      if (member.offset > end) this.clear(base, offset + end, member.offset - end, align)
      end = member.offset + (member.type ? sizeOf(member.type) : 0)
    }
  }

  #assignText(place: PlaceValue, length: number, node: ast.Expression, scope: Scope, isUsed: boolean): void {
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
    if (place.inArena) {
      const copy = this.local(place.type, node)
      this.#assignText(copy, length, node, scope, true)
      this.copy(place, copy)
      return
    }
    const isComm =
      node.type === 'CallExpression' &&
      node.arguments.length === 0 &&
      this.text(node.callee) === 'bpf.getCurrentComm'
    if (isComm) {
      readComm(this, place, length, isUsed)
      return
    }
    const reader = node.type === 'CallExpression' ? textReaders.get(this.text(node.callee)) : undefined
    if (reader !== undefined) {
      const [address, most, ...more] = (node as ast.CallExpression).arguments as ast.Expression[]
      if (address === undefined || more.length > 0)
        this.source.fail(node, `${reader.name} needs the address of the text, and can have its length`)
      const from = this.inReg(this.numeric(address, scope))
      if (most === undefined && isUsed) this.clear(place.base, place.offset, length, place.align)
      const size = most === undefined ? { imm: length } : this.#roomFor(place, length, most, scope)
      this.call(reader.helper, [this.address(place), size, { reg: from }])
      return
    }
    const found = this.expression(node, scope)
    const value = textBehind(this, found.kind === 'pointer' ? this.behind(found, node, scope) : found, node)
    const isText =
      value.kind === 'kernel text' ||
      (value.kind === 'kernel place' && this.kernel.isText(value.path.typeId)) ||
      (/^(flavor|user) place$/.test(value.kind) && (value as PlaceValue).type.kind === 'chars')
    if (isText) {
      const reg = textAddress(this, value, node)
      if (isUsed) this.clear(place.base, place.offset, length, place.align)
      // An array of a process need not end with a zero byte, and something else follows.
      const room = value.kind === 'user place' ? Math.min(length, sizeOf(value.type) || length) : length
      this.call(textHelper(value), [this.address(place), { imm: room }, { reg }])
      return
    }
    if (value.kind === 'place' && value.type.kind === 'chars' && value.type.length <= length) {
      this.copy({ ...place, type: value.type }, value)
      const end = place.offset + value.type.length
      this.clear(place.base, end, length - value.type.length, place.align)
      return
    }
    this.source.fail(
      node,
      `${describeValue(value)} is not text`,
      'Text comes from bpf.getCurrentComm(), a char[] of the kernel, another char<N>, or a literal.',
    )
  }

  /** Zeros, because less may be written; and how much to write for `most` bytes of text, with a zero at its end. */
  #roomFor(place: PlaceValue, length: number, most: ast.Expression, scope: Scope): { reg: Reg } {
    this.clear(place.base, place.offset, length, place.align)
    const bytes = this.arithmetic('+', this.numeric(most, scope), { kind: 'constant', value: 1n }, most)
    const [reg, done] = [this.newReg(), this.newLabel()]
    this.push({ op: 'move', d: reg, s: this.inReg(this.convert(bytes, u32, most, true)), bits: 32 })
    this.push({ op: 'branch', comparison: 'le', bits: 32, a: reg, b: { imm: length }, to: done })
    this.push({ op: 'const', d: reg, value: BigInt(length) })
    this.label(done)
    return { reg }
  }

  /** A value that a helper reads: one in the arena is copied to the stack. */
  outsideArena(place: PlaceValue, node: Located): PlaceValue {
    if (!place.inArena) return place
    const copy = this.local(place.type, node)
    this.copy(copy, place)
    return copy
  }
}
