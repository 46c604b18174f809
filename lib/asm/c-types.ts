// C types as data, for objects that are built without a compiler. They become BTF (btf-writer.ts).

/** A C type. Make one with the functions and constants of this file. */
export type CType =
  | VoidType
  | IntType
  | FloatType
  | PointerType
  | ArrayType
  | RecordType
  | EnumType
  | ForwardType
  | AliasType
  | ModifierType
  | PrototypeType

export interface VoidType {
  readonly kind: 'void'
}

export interface IntType {
  readonly kind: 'int'
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly encoding: 'unsigned' | 'signed' | 'char' | 'bool'
}

export interface FloatType {
  readonly kind: 'float'
  readonly name: string
  /** Bytes. */
  readonly size: number
}

export interface PointerType {
  readonly kind: 'ptr'
  readonly to: CType
}

export interface ArrayType {
  readonly kind: 'array'
  readonly of: CType
  readonly length: number
}

export interface Member {
  /** Empty for an anonymous struct or union. */
  readonly name: string
  readonly type: CType
  /** Bits from the start of the struct. */
  readonly bitOffset: number
  /** Bits; 0 unless it is a bitfield. */
  readonly bitfieldSize: number
  /** Tags of `__attribute__((btf_decl_tag(...)))`. */
  readonly tags?: readonly string[]
}

export interface RecordType {
  readonly kind: 'struct' | 'union'
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Bytes. */
  readonly align: number
  /** A function for types that refer to themselves: it is called when the type is written. */
  readonly members: readonly Member[] | (() => readonly Member[])
}

export interface EnumType {
  readonly kind: 'enum'
  readonly name: string
  /** Bytes. */
  readonly size: number
  readonly signed: boolean
  readonly values: Readonly<Record<string, number | bigint>>
}

/** A struct or union that is only declared. */
export interface ForwardType {
  readonly kind: 'fwd'
  readonly name: string
  readonly of: 'struct' | 'union'
}

export interface AliasType {
  readonly kind: 'typedef'
  readonly name: string
  readonly to: CType
}

export interface ModifierType {
  readonly kind: 'const' | 'volatile' | 'restrict' | 'type_tag'
  /** Only for `type_tag`. */
  readonly name?: string
  readonly to: CType
}

export interface PrototypeType {
  readonly kind: 'func_proto'
  readonly returns: CType
  readonly parameters: readonly { readonly name: string; readonly type: CType }[]
}

const integer = (name: string, size: number, encoding: IntType['encoding']): IntType =>
  Object.freeze({ kind: 'int', name, size, encoding })

export const voidType: VoidType = Object.freeze({ kind: 'void' })
export const u8 = integer('unsigned char', 1, 'unsigned')
export const u16 = integer('unsigned short', 2, 'unsigned')
export const u32 = integer('unsigned int', 4, 'unsigned')
export const u64 = integer('unsigned long long', 8, 'unsigned')
export const s8 = integer('signed char', 1, 'signed')
export const s16 = integer('short', 2, 'signed')
export const s32 = integer('int', 4, 'signed')
export const s64 = integer('long long', 8, 'signed')
/** clang encodes `char` as a signed integer; arrays of it are read as strings by their name. */
export const char = integer('char', 1, 'signed')
export const bool = integer('_Bool', 1, 'bool')

export const pointer = (to: CType): PointerType => ({ kind: 'ptr', to })
export const array = (of: CType, length: number): ArrayType => ({ kind: 'array', of, length })
export const typedef = (name: string, to: CType): AliasType => ({ kind: 'typedef', name, to })
export const constant = (to: CType): ModifierType => ({ kind: 'const', to })
export const volatile = (to: CType): ModifierType => ({ kind: 'volatile', to })
export const typeTag = (name: string, to: CType): ModifierType => ({ kind: 'type_tag', name, to })
export const forward = (of: 'struct' | 'union', name: string): ForwardType => ({ kind: 'fwd', of, name })

export const prototype = (
  returns: CType,
  parameters: Readonly<Record<string, CType>> = {},
): PrototypeType => ({
  kind: 'func_proto',
  returns,
  parameters: Object.entries(parameters).map(([name, type]) => ({ name, type })),
})

/** An enum; its values are signed if one of them is negative. */
export function enumeration(
  name: string,
  values: Readonly<Record<string, number | bigint>>,
  size = 4,
): EnumType {
  const signed = Object.values(values).some((value) => value < 0)
  return { kind: 'enum', name, size, signed, values }
}

/** A struct with the layout that a C compiler gives it. */
export function struct(name: string, members: Readonly<Record<string, CType>>): RecordType {
  let end = 0
  let align = 1
  const placed = Object.entries(members).map(([member, type]) => {
    const own = alignOf(type)
    align = Math.max(align, own)
    const at = roundUp(end, own)
    end = at + sizeOf(type)
    return { name: member, type, bitOffset: at * 8, bitfieldSize: 0 }
  })
  return { kind: 'struct', name, size: roundUp(end, align), align, members: placed }
}

/** A union. */
export function union(name: string, members: Readonly<Record<string, CType>>): RecordType {
  const types = Object.values(members)
  const align = Math.max(1, ...types.map(alignOf))
  return {
    kind: 'union',
    name,
    size: roundUp(Math.max(0, ...types.map(sizeOf)), align),
    align,
    members: Object.entries(members).map(([member, type]) => ({
      name: member,
      type,
      bitOffset: 0,
      bitfieldSize: 0,
    })),
  }
}

/** The size of a type in bytes. @throws TypeError for types without a size */
export function sizeOf(type: CType): number {
  switch (type.kind) {
    case 'int':
    case 'float':
    case 'struct':
    case 'union':
    case 'enum':
      return type.size
    case 'ptr':
      return 8
    case 'array':
      return sizeOf(type.of) * type.length
    case 'typedef':
    case 'const':
    case 'volatile':
    case 'restrict':
    case 'type_tag':
      return sizeOf(type.to)
    default:
      throw new TypeError(`a type of the kind ${type.kind} has no size`)
  }
}

/** The alignment of a type in bytes. */
export function alignOf(type: CType): number {
  switch (type.kind) {
    case 'struct':
    case 'union':
      return type.align
    case 'array':
      return alignOf(type.of)
    case 'typedef':
    case 'const':
    case 'volatile':
    case 'restrict':
    case 'type_tag':
      return alignOf(type.to)
    default:
      return sizeOf(type)
  }
}

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to
