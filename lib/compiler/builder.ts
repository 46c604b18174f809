// Writes operations: arithmetic with C's rules, conversions, loads and stores.
import { type HelperName, helperNumber } from '../asm/helper-names.js'
import { converted } from './constants.js'
import type { AluOperation, Argument, Base, Comparison, Operand, Operation, Reg } from './ir.js'
import { noOperator } from './not-in-kernel.js'
import type { CountedLoop } from './outline.js'
import type { Slot } from './slots.js'
import type { Located, Source } from './source.js'
import {
  bitsOf,
  commonOf,
  type IntType,
  integerOf,
  opaqueParts,
  pointAlike,
  promoted,
  s64,
  sizeOf,
} from './types.js'
import { type ConstantValue, describeValue, type NumberValue, type PlaceValue, type Value } from './values.js'

export const stackSize = 512

export type NumericValue = ConstantValue | NumberValue

export const operations: Readonly<Record<string, AluOperation>> = {
  '+': 'add',
  '-': 'sub',
  '*': 'mul',
  '/': 'div',
  '%': 'mod',
  '&': 'and',
  '|': 'or',
  '^': 'xor',
  '<<': 'lsh',
  '>>': 'rsh',
  '>>>': 'rsh',
}

/** A hint where the value of a statement is used: `y = x++`, `if (x = 1)`. */
function insteadOfValue(text: string): string | undefined {
  if (/(\+\+|--)$|^(\+\+|--)/.test(text)) return 'Write it as a statement of its own.'
  return /[^=!<>]=[^=]/.test(text)
    ? 'To compare, write ===. To assign, write a statement of its own.'
    : undefined
}

/** How many bits of a result can be set: `id >> 32` of 64 bits has 32, and `x & 0xff` has 8. */
function usedBits(operation: AluOperation, bits: number, left: NumericValue, right: NumericValue): number {
  const most = (value: NumericValue): number => {
    if (value.kind === 'constant') return value.value < 0n ? bits : value.value.toString(2).length
    return value.usedBits ?? (value.type.signed ? bits : value.type.size * 8)
  }
  if (operation === 'and') return Math.min(most(left), most(right))
  if (operation === 'rsh' && right.kind === 'constant') return Math.max(1, most(left) - Number(right.value))
  return bits
}

const signedOperations: Readonly<Record<string, AluOperation>> = { '>>': 'arsh', '/': 'sdiv', '%': 'smod' }

export abstract class Builder {
  readonly source: Source
  readonly list: Operation[] = []
  /** The place in the source of the code that is being written. */
  at = 0
  #registers = 0
  #labels = 0
  #stack = 0
  /** The largest amount of stack that was in use at once. */
  #most = 0
  readonly slots: Slot[] = []
  /** Loops that become functions, each one before those around it. */
  readonly countedLoops: CountedLoop[] = []

  constructor(source: Source) {
    this.source = source
  }

  readonly newReg = (): Reg => this.#registers++

  newLabel(): string {
    return `L${this.#labels++}`
  }

  /** Bytes of stack so far. */
  get stack(): number {
    return this.#most
  }

  /** Room for a register, which is never released. */
  readonly newSpill = (): number => {
    this.#stack = this.#most
    return this.newSlot(8)
  }

  /** Room on the stack, aligned to 8 bytes. Returns its offset from the stack's end. */
  newSlot(size: number, node?: Located): number {
    this.#stack += Math.ceil(size / 8) * 8
    this.#most = Math.max(this.#most, this.#stack)
    if (this.#stack > stackSize) {
      this.source.fail(
        node ?? { start: this.at, end: this.at + 1 },
        `the function needs ${this.#stack} bytes of stack, and the kernel has ${stackSize}`,
        'Put what is large into a map, or into the record of a ring buffer.',
      )
    }
    this.slots.push({ offset: -this.#stack, size: Math.ceil(size / 8) * 8 })
    return -this.#stack
  }

  #scratch: number | undefined
  #dynptr: number | undefined
  /** Bytes of stack that are never released. */
  #kept = 0

  /** Eight bytes on the stack for a value that is read back at once. */
  scratchSlot(): number {
    this.#scratch ??= this.#keptSlot(8)
    return this.#scratch
  }

  /** Room for a dynptr. The verifier wants nothing else to be stored there. */
  dynptrSlot(): number {
    this.#dynptr ??= this.#keptSlot(16)
    return this.#dynptr
  }

  /**
   * Room for a dynptr that has a name. Before Linux 6.3, no dynptr could be made where there already is one, as in a
   * loop.
   */
  newDynptr(): number {
    const slot = this.#keptSlot(16)
    this.clear('frame', slot, 16)
    return slot
  }

  #keptSlot(size: number): number {
    // New stack, where no other part of the function has stored anything before.
    this.#stack = this.#most
    const slot = this.newSlot(size)
    this.#kept = this.#stack
    return slot
  }

  /** Does something, and releases the stack that it needed. */
  protected within<T>(what: () => T): T {
    const stack = this.#stack
    const result = what()
    this.#stack = Math.max(stack, this.#kept)
    return result
  }

  // An operation to write, without the place in the source that all operations have.
  push(operation: Operation extends infer O ? (O extends Operation ? Omit<O, 'at'> : never) : never): void {
    this.list.push({ ...operation, at: this.at } as Operation)
  }

  label(name: string): void {
    this.push({ op: 'label', name })
  }

  jump(to: string): void {
    this.push({ op: 'jump', to })
  }

  /** Calls a helper, by its number or the kernel's name. */
  call(helper: number | HelperName, args: readonly Argument[]): Reg {
    const d = this.newReg()
    const number = typeof helper === 'number' ? helper : helperNumber(helper)
    this.push({ op: 'call', d, callee: { helper: number }, args })
    this.returnCopies(args)
    return d
  }

  /** Reads memory that the verifier does not know. What cannot be read is 0. */
  probe(helper: 'probe_read_kernel' | 'probe_read_user', size: IntType['size'], address: Reg): Reg {
    const [slot, d] = [this.scratchSlot(), this.newReg()]
    this.call(helper, [{ frame: slot }, { imm: size }, { reg: address }])
    this.push({ op: 'load', d, base: 'frame', offset: slot, size })
    return d
  }

  // ---- Numbers

  /** A register with the number. */
  inReg(value: NumericValue): Reg {
    if (value.kind === 'number') return value.reg
    const d = this.newReg()
    // As in #resize: a negative number of a smaller type has zeros above its 32 bits.
    const bits = value.type !== undefined && value.type.size < 8 ? 32 : 64
    this.push({ op: 'const', d, value: BigInt.asUintN(bits, value.value) })
    return d
  }

  operand(value: NumericValue): Operand {
    return { reg: this.inReg(value) }
  }

  /** The type that both sides are computed in. */
  common(a: NumericValue, b: NumericValue): IntType {
    return commonOf(a.type, b.type) ?? s64
  }

  /** One side of an operation, in the type of the operation. A constant has to fit that type. */
  side(value: NumericValue, type: IntType, node: Located): NumericValue {
    if (value.kind === 'constant') {
      const bits = BigInt(bitsOf(type))
      if (value.value >= 1n << bits || value.value < -(1n << (bits - 1n))) {
        this.source.fail(
          node,
          `${value.value} does not fit ${type.name}, which this is computed in`,
          'Convert the other side first: u64(x).',
        )
      }
    }
    this.expectAlike(value, type, node)
    return this.convert(value, type, node, true)
  }

  /** Refuses a number where a pointer into a process is wanted, and such a pointer where a number is. */
  expectAlike({ type: from }: NumericValue, type: IntType, node: Located): void {
    if (pointAlike(from, type)) return
    if (type.user === undefined)
      this.source.fail(node, `a ${from!.name} is not a number`, 'Its address is one: write u64(...).')
    const is = from?.user === undefined ? 'a number' : `a ${from.name}`
    const hint = from?.user === undefined ? `If it is an address, write ${type.name}(...).` : undefined
    this.source.fail(node, `a ${type.name} is wanted here, and this is ${is}`, hint)
  }

  /** Converts a number to another type. A cast may truncate it. */
  convert(value: NumericValue, type: IntType, node: Located, isCast = false): NumericValue {
    if (!isCast) this.expectAlike(value, type, node)
    if (value.kind === 'constant') return this.#constant(value, type, node, isCast)
    const from = value.type
    if (!isCast && bitsOf(type) < (value.usedBits ?? from.size * 8)) {
      this.source.fail(
        node,
        `${from.name} does not fit ${type.name}`,
        `Write ${type.name}(...) to cut it off.`,
      )
    }
    if (type.name === 'bool') return from.name === 'bool' ? value : this.#truth(value)
    return { kind: 'number', reg: this.#resize(value.reg, from, type), type }
  }

  /**
   * An unsigned number has zeros above its bits. A signed one is sign-extended to 32 bits, and has zeros above these,
   * so that 32-bit operations can use it as it is.
   */
  #resize(reg: Reg, from: IntType, to: IntType): Reg {
    if (to.size === 8) return from.signed && from.size < 8 ? this.#signExtend(reg, 4, 64) : reg
    if (to.size === 4) {
      if (from.size <= 4) return reg
      const d = this.newReg()
      this.push({ op: 'move', d, s: reg, bits: 32 })
      return d
    }
    if (from.size < to.size && !from.signed) return reg
    if (from.size <= to.size && from.signed === to.signed) return reg
    if (to.signed) return this.#signExtend(reg, to.size, 32)
    const d = this.newReg()
    this.push({ op: 'alu', operation: 'and', bits: 32, d, a: reg, b: { imm: 2 ** (to.size * 8) - 1 } })
    return d
  }

  /** Whether all kernels that the program has to load into know the instructions for signs of Linux 6.6. */
  protected abstract get hasSigns(): boolean

  #signExtend(reg: Reg, bytes: number, bits: 32 | 64): Reg {
    if (this.hasSigns) {
      const d = this.newReg()
      this.push({ op: 'sext', bits, from: (bytes * 8) as 8 | 16 | 32, d, a: reg })
      return d
    }
    const [shifted, d] = [this.newReg(), this.newReg()]
    const b = { imm: bits - bytes * 8 }
    this.push({ op: 'alu', operation: 'lsh', bits, d: shifted, a: reg, b })
    this.push({ op: 'alu', operation: 'arsh', bits, d, a: shifted, b })
    return d
  }

  #constant(value: ConstantValue, type: IntType, node: Located, isCast: boolean): ConstantValue {
    const fit = converted(type, value.value)
    if (!isCast && fit.value !== value.value)
      this.source.fail(
        node,
        `${value.value} does not fit ${type.name}`,
        value.value < 0n && !type.signed && type.name !== 'bool' && !type.bigEndian
          ? `Numbers without a sign are never negative: choose s${bitsOf(type)}, or write ${type.name}(${value.value}) for its bits.`
          : undefined,
      )
    return { kind: 'constant', ...fit }
  }

  #truth(value: NumberValue): NumberValue {
    const d = this.newReg()
    const done = this.newLabel()
    this.push({ op: 'const', d, value: 0n })
    this.push({ op: 'branch', comparison: 'eq', bits: 64, a: value.reg, b: { imm: 0 }, to: done })
    this.push({ op: 'const', d, value: 1n })
    this.label(done)
    return { kind: 'number', reg: d, type: { ...value.type, name: 'bool', size: 1, signed: false } }
  }

  /** An operation of two numbers. Both are converted to the larger type, which is unsigned if one of them is. */
  arithmetic(operator: string, left: NumericValue, right: NumericValue, node: Located): NumericValue {
    const operation = operations[operator]
    if (operation === undefined) this.source.fail(node, ...noOperator(operator))
    const pointer = [left, right].find((side) => side.type?.user !== undefined)
    if (pointer !== undefined)
      this.source.fail(
        node,
        `a ${pointer.type!.name} is not a number`,
        'An element behind it is pointer[index], and its address is u64(pointer).',
      )
    const isShift = operator.length > 1
    const type = isShift ? promoted(left.type ?? s64) : this.common(left, right)
    const bits = type.size === 8 ? 64 : 32
    const a = this.inReg(this.side(left, type, node))
    if (right.kind === 'constant') this.#expectRight(operator, right.value, bits, node)
    const b = this.operand(isShift ? right : this.side(right, type, node))
    const isDivision = operation === 'div' || operation === 'mod'
    if (isDivision && type.signed && !this.hasSigns)
      return { kind: 'number', reg: this.#divideSigned(operation, bits, a, b), type }
    const d = this.newReg()
    const own = type.signed ? (signedOperations[operator] ?? operation) : operation
    this.push({ op: 'alu', operation: own, bits, d, a, b })
    const used = usedBits(own, bits, left, right)
    return { kind: 'number', reg: d, type, ...(used < bits && { usedBits: used }) }
  }

  #expectRight(operator: string, value: bigint, bits: number, node: Located): void {
    if ((operator === '/' || operator === '%') && value === 0n) this.source.fail(node, 'this divides by zero')
    if (operator.length > 1 && (value < 0n || value >= BigInt(bits))) {
      this.source.fail(node, `a number of ${bits} bits cannot be shifted by ${value}`)
    }
  }

  /**
   * Before Linux 6.6 there is no signed division: the numbers are divided without their signs, which are restored
   * afterwards.
   */
  #divideSigned(operation: 'div' | 'mod', bits: 32 | 64, a: Reg, b: Operand): Reg {
    const [left, isLeftNegative] = this.#magnitude(a, bits)
    const [right, isRightNegative] = this.#magnitude(
      'reg' in b ? b.reg : this.inReg({ kind: 'constant', value: BigInt(b.imm) }),
      bits,
    )
    const d = this.newReg()
    this.push({ op: 'alu', operation, bits, d, a: left, b: { reg: right } })
    const sign = this.newReg()
    // The remainder has the sign of the left side.
    if (operation === 'mod') this.push({ op: 'move', d: sign, s: isLeftNegative, bits: 64 })
    else
      this.push({
        op: 'alu',
        operation: 'xor',
        bits,
        d: sign,
        a: isLeftNegative,
        b: { reg: isRightNegative },
      })
    return this.#negateIf(d, sign, bits)
  }

  /** The number without its sign, and all ones if it had one. */
  #magnitude(reg: Reg, bits: 32 | 64): [magnitude: Reg, sign: Reg] {
    const sign = this.newReg()
    this.push({ op: 'alu', operation: 'arsh', bits, d: sign, a: reg, b: { imm: bits - 1 } })
    return [this.#negateIf(reg, sign, bits), sign]
  }

  /** The number, or its negative where `sign` is all ones. */
  #negateIf(reg: Reg, sign: Reg, bits: 32 | 64): Reg {
    const [flipped, d] = [this.newReg(), this.newReg()]
    this.push({ op: 'alu', operation: 'xor', bits, d: flipped, a: reg, b: { reg: sign } })
    this.push({ op: 'alu', operation: 'sub', bits, d, a: flipped, b: { reg: sign } })
    return d
  }

  /** Goes to a label if a comparison holds. */
  compare(comparison: Comparison, left: NumericValue, right: NumericValue, to: string, node: Located): void {
    const type = this.common(left, right)
    const bits = type.size === 8 ? 64 : 32
    const isOrdered = comparison !== 'eq' && comparison !== 'ne'
    if (isOrdered && !type.signed) this.#expectNotNegative(left, right, bits, node)
    const a = this.inReg(this.side(left, type, node))
    const b = this.operand(this.side(right, type, node))
    this.push({
      op: 'branch',
      comparison: isOrdered && type.signed ? (`s${comparison}` as Comparison) : comparison,
      bits,
      a,
      b,
      to,
    })
  }

  /** Refuses `i > -1` for a number without a sign, which would never hold. */
  #expectNotNegative(left: NumericValue, right: NumericValue, bits: number, node: Located): void {
    for (const side of [left, right]) {
      if (side.kind !== 'constant' || side.type !== undefined || side.value >= 0n) continue
      this.source.fail(
        node,
        `${side.value} would be compared as ${BigInt.asUintN(bits, side.value)}, since the other side has no sign`,
        'Convert that side first: s64(x).',
      )
    }
  }

  /** A number after it was loaded: a sign is extended to 32 bits, and a bool is 1 if its byte was not 0. */
  loaded(value: NumberValue): NumberValue {
    const { reg, type } = value
    if (type.name === 'bool') {
      const [sum, d] = [this.newReg(), this.newReg()]
      this.push({ op: 'alu', operation: 'add', bits: 32, d: sum, a: reg, b: { imm: 255 } })
      this.push({ op: 'alu', operation: 'rsh', bits: 32, d, a: sum, b: { imm: 8 } })
      return { ...value, reg: d }
    }
    return type.signed && type.size < 4 ? { ...value, reg: this.#signExtend(reg, type.size, 32) } : value
  }

  // ---- Memory

  load(place: PlaceValue, node: Located): NumberValue {
    const { type } = place
    if (type.kind !== 'int')
      this.source.fail(
        node,
        `${describeValue(place)} cannot be used as a number`,
        type.kind === 'array'
          ? 'Name an element: list[0]. Arrays are compared element by element.'
          : undefined,
      )
    const d = this.newReg()
    const { base, offset, inArena } = place
    this.push({ op: 'load', d, base, offset, size: type.size, ...(inArena && { inArena }) })
    return this.asLoaded(d, type)
  }

  /** The number in a register that was loaded from memory. */
  asLoaded(reg: Reg, type: IntType): NumberValue {
    if (!type.bigEndian) return this.loaded({ kind: 'number', reg, type })
    return { kind: 'number', reg: this.swap(reg, bitsOf(type)), type: integerOf(bitsOf(type) / 8, false) }
  }

  store(place: PlaceValue, value: NumericValue, node: Located): void {
    const { type } = place
    if (type.kind !== 'int') this.source.fail(node, `a number cannot be assigned to ${describeValue(place)}`)
    let reg = this.inReg(value)
    if (type.bigEndian) reg = this.swap(reg, bitsOf(type))
    this.push({ op: 'store', base: place.base, offset: place.offset, size: type.size, value: { reg } })
  }

  /** A number of this many bits with its bytes swapped, from or to the network's byte order. */
  swap(a: Reg, bits: number): Reg {
    const d = this.newReg()
    this.push({ op: 'be', d, a, bits: bits as 16 | 32 | 64 })
    return d
  }

  /** Writes zeros. @param align - what the base is a multiple of */
  clear(base: Base, offset: number, size: number, align = 8): void {
    for (let at = 0; at < size; ) {
      const step = [8, 4, 2, 1].find(
        (step) => step <= align && at + step <= size && (offset + at) % step === 0,
      )!
      this.push({ op: 'store', base, offset: offset + at, size: step, value: { imm: 0 } })
      at += step
    }
  }

  /** Copies a value, except for the parts that only the kernel reads and writes. */
  copy(to: PlaceValue, from: PlaceValue): void {
    const size = sizeOf(from.type)
    const skipped = opaqueParts(from.type)
    const inPieces = from.inSizeOf === undefined ? 8 : sizeOf(from.inSizeOf)
    const most = Math.min(inPieces, from.align ?? 8, to.align ?? 8)
    for (let at = 0; at < size; ) {
      const inside = skipped.find(([start, end]) => at >= start && at < end)
      if (inside !== undefined) {
        at = inside[1]
        continue
      }
      const end = skipped.find(([start]) => start > at)?.[0] ?? size
      const step = [8, 4, 2, 1].find(
        (step) =>
          step <= most &&
          at + step <= end &&
          (to.offset + at) % step === 0 &&
          (from.offset + at) % step === 0,
      )!
      const d = this.newReg()
      this.push({ op: 'load', d, base: from.base, offset: from.offset + at, size: step })
      this.push({ op: 'store', base: to.base, offset: to.offset + at, size: step, value: { reg: d } })
      at += step
    }
  }

  /** Places in the program's context, by the offsets of the copies that are passed instead. */
  readonly #passedCopies = new Map<number, { place: PlaceValue; copy: PlaceValue }>()

  /**
   * An address as an argument of a call. The kernel does not accept an address in the program's context, so a copy is
   * passed. `node` is where the program names the memory.
   */
  address(place: PlaceValue | { base: Base; offset: number }, node?: Located): Argument {
    const { base, offset } = place
    // Other CPUs may write there while a copy is passed.
    if ('inArena' in place && place.inArena)
      this.source.fail(
        node ?? { start: this.at, end: this.at + 1 },
        "the kernel's functions do not use memory of the arena",
        'Give them a variable of the function, and copy it to or from the arena.',
      )
    if (base === 'frame') return { frame: offset }
    if (!('inContext' in place) || place.inContext === undefined) return { reg: this.addressReg(place) }
    const copy = this.local(place.type, { start: this.at, end: this.at + 1 })
    this.copy(copy, place)
    this.#passedCopies.set(copy.offset, { place, copy })
    return { frame: copy.offset }
  }

  /** Writes back what a call may have changed in the copies that were passed to it. */
  returnCopies(args: readonly Argument[]): void {
    for (const argument of args) {
      const passed = 'frame' in argument ? this.#passedCopies.get(argument.frame) : undefined
      if (passed === undefined) continue
      this.#passedCopies.delete(passed.copy.offset)
      this.copy(passed.place, passed.copy)
    }
  }

  /** A register with an address. */
  addressReg({ base, offset }: { base: Base; offset: number }): Reg {
    if (base !== 'frame' && offset === 0) return base
    const d = this.newReg()
    if (base === 'frame') this.push({ op: 'frame', d, offset })
    else this.push({ op: 'alu', operation: 'add', bits: 64, d, a: base, b: { imm: offset } })
    return d
  }

  /** A register with an argument of a call, for what is passed in memory. */
  argumentReg(argument: Argument): Reg {
    if ('reg' in argument) return argument.reg
    if ('frame' in argument) return this.addressReg({ base: 'frame', offset: argument.frame })
    const d = this.newReg()
    if ('callback' in argument) throw new TypeError('a function is not passed in memory')
    if ('imm' in argument) this.push({ op: 'const', d, value: BigInt.asUintN(64, BigInt(argument.imm)) })
    else this.push({ op: 'symbol', d, kind: 'map', name: argument.map })
    return d
  }

  /** A place on the stack for a value. */
  local(type: PlaceValue['type'], node: Located): PlaceValue {
    return { kind: 'place', base: 'frame', offset: this.newSlot(sizeOf(type), node), type }
  }

  expectNumeric(value: Value, node: Located): NumericValue {
    if (value.kind === 'number' || value.kind === 'constant') return value
    if (value.kind === 'place') return this.load(value, node)
    const text = this.source.text.slice(node.start ?? 0, node.end ?? 0)
    if (value.kind === 'void') this.source.fail(node, 'this has no value', insteadOfValue(text))
    const isNumber = value.kind === 'pointer' && value.type.kind === 'int'
    const hint = isNumber
      ? `The number is ${text}.value.`
      : value.kind === 'pointer' && value.inArena
        ? `One of two pointers is chosen with let and if: let item = ${text}; if (!item) item = .... Its address is u64(${text}).`
        : undefined
    this.source.fail(node, `${describeValue(value)} is not a number`, hint)
  }
}
