// The types of the language. Each has a size and a layout, which are C's.
import * as c from '../asm/c-types.js'

/** An enum that the program declares. */
export interface Enumeration {
  readonly name: string
  readonly values: Readonly<Record<string, number>>
}

export interface IntType {
  readonly kind: 'int'
  readonly name: string
  /** Bytes. */
  readonly size: 1 | 2 | 4 | 8
  readonly signed: boolean
  /** Kept in the network's byte order in memory. */
  readonly bigEndian: boolean
  /**
   * How many of its bits are the number, if not all: a 16-bit number in the network's order that is stored in 32 bits.
   */
  readonly bits?: 16
  /** The program's enum, if it is one. */
  readonly enumeration?: Enumeration
  /**
   * For an address in the memory of a process: the type of what is there. It is resolved only when the pointer is
   * followed.
   */
  readonly user?: () => Type
}

export interface CharsType {
  readonly kind: 'chars'
  readonly length: number
}

export interface ArrayType {
  readonly kind: 'array'
  readonly of: Type
  readonly length: number
}

export interface StructMember {
  readonly name: string
  readonly type: Type
  /** Bytes. */
  readonly offset: number
}

/** What a list or a tree contains: objects of a struct, linked by one of its members. */
export interface Contains {
  readonly root: 'list' | 'tree'
  readonly struct: string
  readonly member: string
}

export interface StructType {
  readonly kind: 'struct'
  /** It is a list or a tree. */
  readonly contains?: Contains
  readonly name: string
  readonly members: readonly StructMember[]
  readonly size: number
  readonly align: number
}

/** A reference to one of the kernel's structs, which a map keeps. */
export interface KptrType {
  readonly kind: 'kptr'
  readonly name: string
  /** The name of the kernel's struct, or of the program's. */
  readonly record: string
  /** The struct of the program, whose objects it allocates. */
  readonly object?: StructType
  readonly size: 8
}

/** A reference to one of the kernel's structs, or to an object of a struct of the program. */
export const kptrTo = (record: string, object?: StructType): KptrType => ({
  kind: 'kptr',
  name: object === undefined ? `kptr<kernel.${record}>` : `kptr<${record}>`,
  record,
  ...(object && { object }),
  size: 8,
})

/** A pointer into the memory of a process. In memory and in registers it is its address. */
export const userPointer = (name: string, user: () => Type): IntType => ({
  ...integer(`user<${name}>`, 8, false),
  user,
})

/**
 * A pointer into the arena, or null. The type it points to is resolved only when it is followed, since structs may
 * point to themselves.
 */
export interface PtrType {
  readonly kind: 'ptr'
  readonly name: string
  readonly to: () => Type
  readonly size: 8
}

/** A type that values in memory can have. */
export type Type = IntType | CharsType | ArrayType | StructType | KptrType | PtrType

const integer = (name: string, size: IntType['size'], signed: boolean, bigEndian = false): IntType => ({
  kind: 'int',
  name,
  size,
  signed,
  bigEndian,
})

export const u8 = integer('u8', 1, false)
export const u16 = integer('u16', 2, false)
export const u32 = integer('u32', 4, false)
export const u64 = integer('u64', 8, false)
export const s8 = integer('s8', 1, true)
export const s16 = integer('s16', 2, true)
export const s32 = integer('s32', 4, true)
export const s64 = integer('s64', 8, true)
export const bool = integer('bool', 1, false)

/** The integers by the names that programs use. */
export const integers: Readonly<Record<string, IntType>> = Object.fromEntries(
  [
    ...[u8, u16, u32, u64, s8, s16, s32, s64, bool],
    ...[integer('be16', 2, false, true), integer('be32', 4, false, true), integer('be64', 8, false, true)],
  ].map((type) => [type.name, type]),
)

export function integerOf(size: number, signed: boolean): IntType {
  return integers[`${signed ? 's' : 'u'}${size * 8}`]!
}

export function sizeOf(type: Type): number {
  switch (type.kind) {
    case 'chars':
      return type.length
    case 'array':
      return sizeOf(type.of) * type.length
    default:
      return type.size
  }
}

export function alignOf(type: Type): number {
  switch (type.kind) {
    case 'chars':
      return 1
    case 'array':
      return alignOf(type.of)
    case 'struct':
      return type.align
    default:
      return type.size
  }
}

/** Lays a struct out as a C compiler does. */
export function structOf(
  name: string,
  members: readonly { readonly name: string; readonly type: Type }[],
): StructType {
  let end = 0
  let align = 1
  const placed = members.map(({ name, type }) => {
    const own = alignOf(type)
    align = Math.max(align, own)
    const offset = Math.ceil(end / own) * own
    end = offset + sizeOf(type)
    return { name, type, offset }
  })
  return { kind: 'struct', name, members: placed, size: Math.ceil(end / align) * align, align }
}

const intTypes: Readonly<Record<string, c.IntType>> = {
  u8: c.u8,
  u16: c.u16,
  u32: c.u32,
  u64: c.u64,
  s8: c.s8,
  s16: c.s16,
  s32: c.s32,
  s64: c.s64,
  bool: c.bool,
  be16: c.u16,
  be32: c.u32,
  be64: c.u64,
}

const records = new WeakMap<StructType, c.RecordType>()

const enums = new WeakMap<Enumeration, c.EnumType>()

function enumOf(enumeration: Enumeration): c.EnumType {
  const known = enums.get(enumeration)
  if (known !== undefined) return known
  const type = c.enumeration(enumeration.name, enumeration.values)
  enums.set(enumeration, type)
  return type
}

/** The type as it stands in the object's BTF. */
export function cTypeOf(type: Type): c.CType {
  switch (type.kind) {
    case 'int':
      if (type.user !== undefined) return c.u64
      if (type.enumeration !== undefined) return enumOf(type.enumeration)
      return type.bigEndian ? c.typedef(`__${type.name}`, intTypes[type.name]!) : intTypes[type.name]!
    case 'chars':
      return c.array(c.char, type.length)
    case 'array':
      return c.array(cTypeOf(type.of), type.length)
    case 'ptr':
      return c.pointer(cTypeOf(type.to()))
    case 'kptr':
      // The kernel looks for its own struct of this name.
      return c.pointer(c.typeTag('kptr', type.object ? cTypeOf(type.object) : c.struct(type.record, {})))
    case 'struct': {
      const known = records.get(type)
      if (known !== undefined) return known
      const { name, size, align, members } = type
      const placed = (): c.Member[] =>
        members.map(({ name, type, offset }) => ({
          name,
          type: cTypeOf(type),
          bitOffset: offset * 8,
          bitfieldSize: 0,
          ...tagged(type),
        }))
      // The members are written later, since a struct may point to itself.
      const record: c.RecordType = {
        kind: 'struct',
        name,
        size,
        align,
        members: hasPtr(type) ? placed : placed(),
      }
      records.set(type, record)
      return record
    }
  }
}

/** Tells the kernel what a list or a tree contains. */
function tagged(type: Type): { tags?: readonly string[] } {
  if (type.kind !== 'struct' || type.contains === undefined) return {}
  return { tags: [`contains:${type.contains.struct}:${type.contains.member}`] }
}

/** The type in words, for messages. */
export function describe(type: Type): string {
  switch (type.kind) {
    case 'chars':
      return type.length === 0 ? 'char' : `char<${type.length}>`
    case 'array':
      if (type.length === 0) return 'bytes'
      return `array<${describe(type.of)}, ${type.length}>`
    case 'struct':
      return type.contains === undefined ? type.name : `${type.contains.root}<${type.contains.struct}>`
    default:
      return type.name
  }
}

/** Why anything but a record cannot have such a type. */
export const onlyRecords = (type: Type): string =>
  `only the records of a ring buffer can have the type ${describe(type)}, which has no fixed length`

/** Whether a struct ends with an array that is as long as the record. */
export function endsOpen(type: Type): boolean {
  const last = type.kind === 'struct' ? type.members.at(-1)?.type : undefined
  return (last?.kind === 'array' || last?.kind === 'chars') && last.length === 0
}

/** Whether two numbers are pointers to the same type, or neither is a pointer. */
export function pointAlike(a: IntType | undefined, b: IntType | undefined): boolean {
  if (a?.user === undefined || b?.user === undefined) return a?.user === b?.user
  return describe(a.user()) === describe(b.user())
}

/** Whether a type is one of these, or has one in it. */
export function has(type: Type, isOne: (type: Type) => boolean): boolean {
  if (isOne(type)) return true
  if (type.kind === 'struct') return type.members.some((member) => has(member.type, isOne))
  return type.kind === 'array' && has(type.of, isOne)
}

export const hasKptr = (type: Type): boolean => has(type, ({ kind }) => kind === 'kptr')

export const hasPtr = (type: Type): boolean => has(type, ({ kind }) => kind === 'ptr')

/** The parts of a type that only the kernel reads and writes: timers, spin locks and references. */
export function opaqueParts(type: Type, offset = 0): (readonly [start: number, end: number])[] {
  if (type.kind === 'kptr' || (type.kind === 'struct' && /^bpf_(timer|spin_lock)$/.test(type.name)))
    return [[offset, offset + sizeOf(type)]]
  if (type.kind === 'struct')
    return type.members.flatMap((member) => opaqueParts(member.type, offset + member.offset))
  if (type.kind !== 'array') return []
  const [first] = opaqueParts(type.of)
  if (first === undefined) return []
  return Array.from({ length: type.length }, (_, i) =>
    opaqueParts(type.of, offset + i * sizeOf(type.of)),
  ).flat()
}

/** Numbers that are smaller than 32 bits are computed in 32, as in C. */
export const promoted = (type: IntType): IntType => (type.size >= 4 ? type : type.signed ? s32 : u32)

/** How many bits of a type are the number. */
export const bitsOf = ({ bits, size }: IntType): number => bits ?? size * 8

/** The type that two numbers are computed in; undefined if neither has one. */
export function commonOf(a: IntType | undefined, b: IntType | undefined): IntType | undefined {
  if (a === undefined || b === undefined) return (a ?? b) && promoted((a ?? b)!)
  const [x, y] = [promoted(a), promoted(b)]
  if (x.size !== y.size) return x.size > y.size ? x : y
  return x.signed ? y : x
}
