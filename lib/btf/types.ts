/**
 * BTF as plain data: one interface per kind, told apart by `kind`.
 *
 * A reference to another type is that type's id (`typeId`); id 0 is `void`. A type without a name has `''`.
 */

/** What every type has. */
interface Common {
  /** The type's number in its BTF; `void` is 0. */
  readonly id: number
  /** The name in C, or `''`. */
  readonly name: string
}

/** Id 0: what a `void *` points at, what a function without a result returns. */
export interface BtfVoid extends Common {
  readonly kind: 'void'
}

/** An integer; also `char` and `_Bool`. */
export interface BtfInt extends Common {
  readonly kind: 'int'
  /** Size in bytes. */
  readonly size: number
  /** Width in bits; less than `size * 8` only for the bitfields of old compilers. */
  readonly bits: number
  /** Where the value starts inside its bytes, in bits. */
  readonly bitOffset: number
  readonly signed: boolean
  /** The encoding says character. Compilers disagree on when they say so. */
  readonly char: boolean
  readonly bool: boolean
}

/** `typeId *`. */
export interface BtfPtr extends Common {
  readonly kind: 'ptr'
  readonly typeId: number
}

/** `typeId[length]`; an array of arrays for more dimensions. */
export interface BtfArray extends Common {
  readonly kind: 'array'
  /** The type of an element. */
  readonly typeId: number
  /** The type of an index: of no use but for C's sake. */
  readonly indexTypeId: number
  /** Number of elements; 0 for a flexible array. */
  readonly length: number
}

/** A member of a struct or a union, as BTF has it: not flattened. */
export interface BtfMember {
  /** `''` for an anonymous struct or union. */
  readonly name: string
  readonly typeId: number
  /** From the start of the struct, in bits. In big endian BTF bits count from the most significant one. */
  readonly bitOffset: number
  /** Width in bits, or 0 when the member isn't declared as a bitfield. */
  readonly bitfieldSize: number
}

export interface BtfStruct extends Common {
  readonly kind: 'struct'
  /** Size in bytes. */
  readonly size: number
  readonly members: readonly BtfMember[]
}

export interface BtfUnion extends Common {
  readonly kind: 'union'
  /** Size in bytes. */
  readonly size: number
  readonly members: readonly BtfMember[]
}

export interface BtfEnum extends Common {
  readonly kind: 'enum'
  /** Size in bytes. */
  readonly size: number
  readonly signed: boolean
  readonly values: readonly { readonly name: string; readonly value: number }[]
}

/** An enum with values of 64 bits. */
export interface BtfEnum64 extends Common {
  readonly kind: 'enum64'
  /** Size in bytes. */
  readonly size: number
  readonly signed: boolean
  readonly values: readonly { readonly name: string; readonly value: bigint }[]
}

/** A struct or union that is declared and never defined here. */
export interface BtfFwd extends Common {
  readonly kind: 'fwd'
  readonly of: 'struct' | 'union'
}

export interface BtfTypedef extends Common {
  readonly kind: 'typedef'
  readonly typeId: number
}

export interface BtfVolatile extends Common {
  readonly kind: 'volatile'
  readonly typeId: number
}

export interface BtfConst extends Common {
  readonly kind: 'const'
  readonly typeId: number
}

export interface BtfRestrict extends Common {
  readonly kind: 'restrict'
  readonly typeId: number
}

/** How a function or variable is linked. */
export type BtfLinkage = 'static' | 'global' | 'extern'

export interface BtfFunc extends Common {
  readonly kind: 'func'
  /** Its `func_proto`. */
  readonly typeId: number
  readonly linkage: BtfLinkage
}

export interface BtfFuncProto extends Common {
  readonly kind: 'func_proto'
  readonly returnTypeId: number
  readonly params: readonly { readonly name: string; readonly typeId: number }[]
  /** Ends in `...`, which is not among `params`. */
  readonly variadic: boolean
}

export interface BtfVar extends Common {
  readonly kind: 'var'
  readonly typeId: number
  readonly linkage: BtfLinkage
}

/** A section of variables, such as `.rodata`. In an object that isn't linked yet sizes and offsets may be 0. */
export interface BtfDatasec extends Common {
  readonly kind: 'datasec'
  /** Size in bytes. */
  readonly size: number
  /** Each `typeId` is a `var`; offset and size are bytes. */
  readonly variables: readonly { readonly typeId: number; readonly offset: number; readonly size: number }[]
}

export interface BtfFloat extends Common {
  readonly kind: 'float'
  /** Size in bytes: 2, 4, 8, 12 or 16. */
  readonly size: number
}

/** `__attribute__((btf_decl_tag("name")))` on `typeId`. */
export interface BtfDeclTag extends Common {
  readonly kind: 'decl_tag'
  readonly typeId: number
  /** Index of the tagged member or parameter; -1 for the type itself. */
  readonly componentIndex: number
  /** An ordinary C attribute, not a `btf_decl_tag`. */
  readonly attribute: boolean
}

/** `__attribute__((btf_type_tag("name")))` on what a pointer points at. */
export interface BtfTypeTag extends Common {
  readonly kind: 'type_tag'
  readonly typeId: number
  /** An ordinary C attribute, not a `btf_type_tag`. */
  readonly attribute: boolean
}

/** Any type. */
export type BtfType =
  | BtfVoid
  | BtfInt
  | BtfPtr
  | BtfArray
  | BtfStruct
  | BtfUnion
  | BtfEnum
  | BtfFwd
  | BtfTypedef
  | BtfVolatile
  | BtfConst
  | BtfRestrict
  | BtfFunc
  | BtfFuncProto
  | BtfVar
  | BtfDatasec
  | BtfFloat
  | BtfDeclTag
  | BtfTypeTag
  | BtfEnum64

/** The name of a kind. */
export type BtfKind = BtfType['kind']

/** The type that a kind stands for: `BtfTypeOf<'struct'>` is {@link BtfStruct}. */
export type BtfTypeOf<K extends BtfKind> = Extract<BtfType, { readonly kind: K }>

/** The kinds by their number in the format. */
export const kinds: readonly BtfKind[] = [
  'void',
  'int',
  'ptr',
  'array',
  'struct',
  'union',
  'enum',
  'fwd',
  'typedef',
  'volatile',
  'const',
  'restrict',
  'func',
  'func_proto',
  'var',
  'datasec',
  'float',
  'decl_tag',
  'type_tag',
  'enum64',
]
