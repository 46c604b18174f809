import { describe, elements, fieldsIn, type Group, groupOf, memberBudget, resolve, sizeOf } from './layout.js'
import { malformed } from './malformed.js'
import type { BtfTypes } from './parse.js'
import type { BtfDatasec, BtfInt, BtfStruct, BtfType, BtfUnion } from './types.js'

/**
 * A plan describes what to read and write for a type, but not how: generate.ts turns it into source code, compose.ts
 * into closures. Making the plan checks the layout, so the code made from a plan can trust it.
 */
export type Plan =
  | IntPlan
  | BigPlan
  | BitsPlan
  | BoolPlan
  | FloatPlan
  | TextPlan
  | BytesPlan
  | ArrayPlan
  | RecordPlan

/** An integer of up to 32 bits, which becomes a number. */
export interface IntPlan {
  readonly op: 'int'
  readonly size: 1 | 2 | 4
  readonly signed: boolean
}

/** A larger integer, or a pointer of any size. It becomes a bigint, or a number with a range check. */
export interface BigPlan {
  readonly op: 'big'
  readonly size: 4 | 8 | 16
  readonly signed: boolean
  readonly asNumber: boolean
  /** A kptr, which only programs can set. The kernel ignores what user space writes to it. */
  readonly kernels?: true
  /** A pointer within the same memory: the id of the struct that it points to. */
  readonly to?: number
}

/** A bitfield. The bytes around it are read as one word, which is then shifted to the right. */
export interface BitsPlan {
  readonly op: 'bits'
  /** The size of the word in bytes, from 1 to 9. */
  readonly bytes: number
  readonly shift: number
  readonly width: number
  readonly signed: boolean
  readonly as: 'number' | 'bigint' | 'boolean'
  /** The value may be too large for a number, so reading it as one needs a check. */
  readonly checked: boolean
}

/** A boolean. Any value but 0 is true. */
export interface BoolPlan {
  readonly op: 'bool'
  readonly size: 1 | 2 | 4
}

export interface FloatPlan {
  readonly op: 'float'
  readonly size: 4 | 8
}

/** `char[length]`, which becomes a string. */
export interface TextPlan {
  readonly op: 'text'
  readonly length: number
  readonly flexible: boolean
}

/** `u8[length]`, or a value that JavaScript has no type for. It becomes a Uint8Array. */
export interface BytesPlan {
  readonly op: 'bytes'
  readonly length: number
  readonly flexible: boolean
}

export interface ArrayPlan {
  readonly op: 'array'
  readonly item: Plan
  readonly length: number
  /** The size of an item in bytes. */
  readonly stride: number
  /** The array extends to the end of the record; `length` is 0. */
  readonly flexible: boolean
}

export interface RecordPlan {
  readonly op: 'record'
  /** The name for messages, for example `struct event`. */
  readonly name: string
  readonly size: number
  readonly union: boolean
  /** All fields in the order of their declaration. */
  readonly fields: readonly FieldPlan[]
  /** The same fields, nested in their anonymous structs and unions. */
  readonly members: readonly MemberPlan[]
  /** One of the fields is flexible. */
  readonly flexible: boolean
  /** A lock, a timer and so on, which belongs to the kernel. User space reads zeros and cannot write it. */
  readonly kernels?: true
}

export interface FieldPlan {
  readonly kind: 'field'
  readonly name: string
  /** Distance from the start of the record in bytes. */
  readonly offset: number
  readonly plan: Plan
}

/** The members of an anonymous struct or union. */
export interface GroupPlan {
  readonly kind: 'struct' | 'union'
  readonly members: readonly MemberPlan[]
}

export type MemberPlan = FieldPlan | GroupPlan

/** Returns the fields of a group, or the field itself. */
export function fieldsOfMember(member: MemberPlan): readonly FieldPlan[] {
  return member.kind === 'field' ? [member] : member.members.flatMap(fieldsOfMember)
}

/** Whether there are pointers in it that are followed. */
export function hasPointers(plan: Plan): boolean {
  if (plan.op === 'record') return plan.fields.some((field) => hasPointers(field.plan))
  return plan.op === 'array' ? hasPointers(plan.item) : plan.op === 'big' && plan.to !== undefined
}

export function isFlexible(plan: Plan): boolean {
  return 'flexible' in plan && plan.flexible
}

/**
 * Whether a value may leave out this member: a flexible array is then empty, and some members only the kernel writes.
 */
export function isOptional(plan: Plan): boolean {
  if ((plan.op === 'record' || plan.op === 'big') && plan.kernels) return true
  return plan.op !== 'record' && isFlexible(plan)
}

/** Structs in map values that user space reads as zeros and cannot write. */
const kernels = new Set([
  'bpf_spin_lock',
  'bpf_res_spin_lock',
  'bpf_timer',
  'bpf_wq',
  'bpf_task_work',
  'bpf_list_head',
  'bpf_list_node',
  'bpf_rb_root',
  'bpf_rb_node',
  'bpf_refcount',
])

/** How deep records and arrays may be nested. */
const depthLimit = 64

/** How many values one record may decode into. An array of 2^24 numbers takes 128 MB. */
const valueLimit = 1 << 24

/** Makes plans for the types of one BTF. A record that occurs several times shares one plan. */
export class Planner {
  readonly #btf: BtfTypes
  readonly #asNumber: boolean
  readonly #follows: boolean
  /** Keyed by the type id and whether the record is at the end of the outermost record. */
  readonly #records = new Map<string, RecordPlan>()
  readonly #measures = new Map<RecordPlan, Measure>()
  readonly #budget = memberBudget()

  /** @param follows - pointers to structs point into the same memory: an arena */
  constructor(btf: BtfTypes, asNumber: boolean, follows = false) {
    this.#btf = btf
    this.#asNumber = asNumber
    this.#follows = follows
  }

  /**
   * Makes the plan for a value of this type.
   *
   * @throws TypeError if the type has no values, or a member's type cannot be expressed in BTF
   */
  plan(typeId: number): Plan {
    const type = resolve(this.#btf, typeId)
    const valueId = type.kind === 'var' ? type.typeId : typeId
    if (isUnknown(this.#btf, valueId)) {
      const { name } = type.kind === 'var' ? type : this.#btf.type(typeId)
      if (name === '') throw new TypeError('void has no values')
      throw new TypeError(`BTF does not describe the type of '${name}': ${unknownType}`)
    }
    const plan = this.#plan(valueId, true, 0)
    if (this.#measure(plan).values > valueLimit) {
      throw new RangeError(`${describe(type)} has more than ${valueLimit} values: read it as bytes`)
    }
    return plan
  }

  #plan(typeId: number, last: boolean, depth: number): Plan {
    const type = resolve(this.#btf, typeId)
    if (depth > depthLimit)
      throw malformed(`${describe(type)} contains itself, or is nested deeper than ${depthLimit} levels`)
    switch (type.kind) {
      case 'int':
        return this.#int(type)
      case 'enum':
      case 'enum64':
        return this.#integer(type, type.signed)
      case 'ptr':
        return {
          op: 'big',
          size: this.#btf.pointerSize,
          signed: false,
          asNumber: false,
          ...(this.#isKptr(type.typeId) && { kernels: true }),
          ...(this.#follows && this.#isRecord(type.typeId) && { to: resolve(this.#btf, type.typeId).id }),
        }
      case 'float':
        if (type.size === 4 || type.size === 8) return { op: 'float', size: type.size }
        return { op: 'bytes', length: type.size, flexible: false }
      case 'array':
        return this.#array(typeId, type.typeId, type.length, last, depth)
      case 'struct':
      case 'union':
      case 'datasec':
        return this.#record(type, last, depth)
      default:
        throw new TypeError(`${describe(type)} has no values`)
    }
  }

  #isKptr(typeId: number): boolean {
    const tag = this.#btf.type(typeId)
    return tag.kind === 'type_tag' && /^(percpu_)?kptr(_untrusted)?$/.test(tag.name)
  }

  #isRecord(typeId: number): boolean {
    const type = resolve(this.#btf, typeId)
    return (type.kind === 'struct' || type.kind === 'union') && type.size > 0
  }

  #int(type: BtfInt): Plan {
    const { bool, size } = type
    if (type.bits !== size * 8 || type.bitOffset !== 0) return this.#bits(type, 0, 0, size).plan
    if (bool && (size === 1 || size === 2 || size === 4)) return { op: 'bool', size }
    return this.#integer(type, type.signed)
  }

  #integer(type: BtfType & { size: number }, signed: boolean): Plan {
    const size = type.size
    if (size === 1 || size === 2 || size === 4) return { op: 'int', size, signed }
    if (size === 8 || size === 16) return { op: 'big', size, signed, asNumber: this.#asNumber }
    if (size === 0 && type.kind === 'enum') {
      throw new TypeError(`${describe(type)} has no values: it is declared but not defined`)
    }
    throw malformed(`${describe(type)} has a size of ${size} bytes`)
  }

  #array(id: number, itemId: number, length: number, last: boolean, depth: number): Plan {
    const flexible = last && length === 0
    const itemType = resolve(this.#btf, itemId)
    if (itemType.kind === 'int' && itemType.size === 1 && itemType.bits === 8 && !itemType.bool) {
      if (isText(itemType)) return { op: 'text', length, flexible }
      if (!itemType.signed) return { op: 'bytes', length, flexible }
    }
    const item = this.#plan(itemId, false, depth + 1)
    const stride = sizeOf(this.#btf, itemId)
    if (length > 0) sizeOf(this.#btf, id) // throws if the array is larger than 4 GiB
    // A flexible array of items without a size would never end.
    return { op: 'array', item, length, stride, flexible: flexible && stride > 0 }
  }

  #record(type: BtfStruct | BtfUnion | BtfDatasec, last: boolean, depth: number): RecordPlan {
    const key = `${type.id} ${last}`
    const known = this.#records.get(key)
    if (known !== undefined && depth + this.#measure(known).depth <= depthLimit) return known

    const group = groupOf(this.#btf, type, this.#budget)
    const fields = new Map<string, FieldPlan>()
    for (const field of fieldsIn(group)) {
      const { offset, plan, size } = this.#field(type, field, last && field.last, depth)
      if (offset + size > type.size)
        throw malformed(`member '${field.name}' lies outside of ${describe(type)}`)
      fields.set(field.name, { kind: 'field', name: field.name, offset, plan })
    }
    const nest = (members: Group['members']): MemberPlan[] =>
      members.map((member) =>
        member.kind === 'field'
          ? fields.get(member.name)!
          : { kind: member.kind, members: nest(member.members) },
      )
    const record: RecordPlan = {
      op: 'record',
      name: describe(type),
      size: type.size,
      union: type.kind === 'union',
      fields: [...fields.values()],
      members: nest(group.members),
      flexible: [...fields.values()].some((field) => isFlexible(field.plan)),
      ...(type.kind === 'struct' && kernels.has(type.name) && { kernels: true }),
    }
    this.#records.set(key, record)
    const measures = record.fields.map((field) => this.#measure(field.plan))
    this.#measures.set(record, {
      values: measures.reduce((sum, { values }) => sum + values, 1),
      depth: measures.reduce((deepest, { depth }) => Math.max(deepest, depth + 1), 0),
    })
    return record
  }

  #field(
    record: BtfStruct | BtfUnion | BtfDatasec,
    field: { name: string; typeId: number; bitOffset: number; bitfieldSize: number },
    last: boolean,
    depth: number,
  ): { offset: number; plan: Plan; size: number } {
    const type = resolve(this.#btf, field.typeId)
    const isNumber = type.kind === 'int' || type.kind === 'enum' || type.kind === 'enum64'
    const oldBitfield = type.kind === 'int' && (type.bits !== type.size * 8 || type.bitOffset !== 0)
    if (field.bitfieldSize > 0 || oldBitfield) {
      if (!isNumber)
        throw malformed(
          `bitfield '${field.name}' of ${describe(record)} is not an integer but ${describe(type)}`,
        )
      return this.#bits(type, field.bitOffset, field.bitfieldSize, record.size)
    }
    if (field.bitOffset % 8 !== 0) {
      if (isNumber) return this.#bits(type, field.bitOffset, type.size * 8, record.size)
      throw malformed(`member '${field.name}' of ${describe(record)} does not start at a whole byte`)
    }
    if (isUnknown(this.#btf, field.typeId)) {
      throw new TypeError(
        `${describe(record)} cannot be read or written as a value, because BTF does not describe the type of its member '${field.name}': ${unknownType}`,
      )
    }
    const plan = this.#plan(field.typeId, last, depth + 1)
    return { offset: field.bitOffset / 8, plan, size: sizeOf(this.#btf, field.typeId) }
  }

  /** Makes the plan for a bitfield. If `width` is 0, the type has the width, as old compilers wrote it. */
  #bits(
    type: BtfType & { size: number },
    bitOffset: number,
    width: number,
    recordSize: number,
  ): { offset: number; plan: BitsPlan; size: number } {
    const first = bitOffset + (type.kind === 'int' ? type.bitOffset : 0)
    const bits = width > 0 ? width : type.kind === 'int' ? type.bits : 0
    if (bits < 1 || bits > 64 || bits > type.size * 8) {
      throw malformed(`${describe(type)} has a bitfield of ${bits} bits`)
    }
    let offset = Math.floor(first / 8)
    let bytes = Math.ceil((first + bits) / 8) - offset
    if (offset + bytes > recordSize)
      throw malformed(`a bitfield lies outside of its struct of ${recordSize} bytes`)
    // Reads a whole word if the record has room for it: first behind the bitfield, otherwise before it.
    const word = bytes === 3 ? 4 : bytes > 4 && bytes < 8 ? 8 : bytes
    if (offset + word <= recordSize) bytes = word
    else if (word <= recordSize) {
      offset = recordSize - word
      bytes = word
    }
    const fromStart = first - offset * 8
    const bool = type.kind === 'int' && type.bool
    const plan: BitsPlan = {
      op: 'bits',
      bytes,
      shift: this.#btf.littleEndian ? fromStart : bytes * 8 - fromStart - bits,
      width: bits,
      signed: 'signed' in type && type.signed,
      as: bool ? 'boolean' : bits > 32 && !this.#asNumber ? 'bigint' : 'number',
      checked: bits > 53,
    }
    return { offset, plan, size: bytes }
  }

  #measure(plan: Plan): Measure {
    if (plan.op === 'record') return this.#measures.get(plan)!
    if (plan.op === 'array') {
      const { values, depth } = this.#measure(plan.item)
      return { values: 1 + plan.length * values, depth: depth + 1 }
    }
    if (plan.op === 'text' || plan.op === 'bytes') return { values: 1 + plan.length / 64, depth: 0 }
    return { values: 1, depth: 0 }
  }
}

/** Explains type 0 where a value is expected. */
const unknownType = 'clang leaves out what BTF cannot express, such as _Atomic types'

/** Whether BTF has type 0, which is `void`, for a value or for the items of an array. */
function isUnknown(btf: BtfTypes, typeId: number): boolean {
  const type = resolve(btf, typeId)
  return (type.kind === 'array' ? elements(btf, type).type : type).kind === 'void'
}

interface Measure {
  /** How many values it decodes into. A string or byte array counts by its size. */
  readonly values: number
  /** How many levels of records and arrays are nested in it. */
  readonly depth: number
}

/**
 * Whether an array of this type is text. Compilers disagree on marking an integer as a character: clang never does, gcc
 * also marks `signed char`. The name is reliable: text in C is `char`, and `signed char` is a small number.
 */
function isText(type: BtfInt): boolean {
  return type.name === 'char' || (type.char && type.name !== 'signed char' && type.name !== 'unsigned char')
}
