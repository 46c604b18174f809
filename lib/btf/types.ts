/**
 * BTF types as plain data: one interface for each kind, and the property `kind` tells them apart.
 *
 * A reference to another type is the id of that type (`typeId`). Id 0 is `void`. The name of a type without a name is
 * `''`.
 */

/** The properties of every type. */
interface Common {
  /** The number of the type in its BTF. `void` is 0. */
  readonly id: number
  /** The name in C, or `''`. */
  readonly name: string
}

/** Id 0: the target of a `void *`, and the return type of a function that returns nothing. */
export interface BtfVoid extends Common {
  readonly kind: 'void'
}

/** An integer; also `char` and `_Bool`. */
export interface BtfInt extends Common {
  readonly kind: 'int'
  /** Size in bytes. */
  readonly size: number
  /** Width in bits. It is less than `size * 8` only for the bitfields of old compilers. */
  readonly bits: number
  /** Where the value starts in its bytes, in bits. */
  readonly bitOffset: number
  readonly signed: boolean
  /** Whether the type is marked as a character. Compilers disagree on when to do that. */
  readonly char: boolean
  readonly bool: boolean
}

/** `typeId *`. */
export interface BtfPtr extends Common {
  readonly kind: 'ptr'
  readonly typeId: number
}

/** `typeId[length]`. With more dimensions, it is an array of arrays. */
export interface BtfArray extends Common {
  readonly kind: 'array'
  /** The type of an element. */
  readonly typeId: number
  /** The type of an index, which does not matter for the layout. */
  readonly indexTypeId: number
  /** The number of elements; 0 for a flexible array. */
  readonly length: number
}

/**
 * A member of a struct or a union, as in BTF. Members of anonymous structs and unions are not moved to the outer one.
 */
export interface BtfMember {
  /** `''` for an anonymous struct or union. */
  readonly name: string
  readonly typeId: number
  /** Distance from the start of the struct in bits. In big-endian BTF, bits count from the most significant one. */
  readonly bitOffset: number
  /** Width in bits; 0 if the member is not a bitfield. */
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
  /** Size in bytes; 0 if the enum is declared but not defined. */
  readonly size: number
  /**
   * Compilers before clang 15 do not record this. In their BTF, an enum with small negative values is taken for signed.
   */
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

/** A struct or union that is declared but not defined. */
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

/** The linkage of a function or variable. */
export type BtfLinkage = 'static' | 'global' | 'extern'

export interface BtfFunc extends Common {
  readonly kind: 'func'
  /** The id of the function's `func_proto`. */
  readonly typeId: number
  readonly linkage: BtfLinkage
}

export interface BtfFuncProto extends Common {
  readonly kind: 'func_proto'
  readonly returnTypeId: number
  readonly params: readonly { readonly name: string; readonly typeId: number }[]
  /** Whether the parameters end in `...`, which is not in `params`. */
  readonly variadic: boolean
}

export interface BtfVar extends Common {
  readonly kind: 'var'
  readonly typeId: number
  readonly linkage: BtfLinkage
}

/** A section of variables, such as `.rodata`. Sizes and offsets may be 0 in an object file that is not linked yet. */
export interface BtfDatasec extends Common {
  readonly kind: 'datasec'
  /** Size in bytes. */
  readonly size: number
  /** Each `typeId` refers to a `var`. `offset` and `size` are in bytes. */
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
  /** The index of the tagged member or parameter; -1 if the tag is on the type itself. */
  readonly componentIndex: number
  /** Whether this is an ordinary C attribute instead of a `btf_decl_tag`. */
  readonly attribute: boolean
}

/** `__attribute__((btf_type_tag("name")))` on the target of a pointer. */
export interface BtfTypeTag extends Common {
  readonly kind: 'type_tag'
  readonly typeId: number
  /** Whether this is an ordinary C attribute instead of a `btf_type_tag`. */
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

/** The type for a kind: `BtfTypeOf<'struct'>` is {@link BtfStruct}. */
export type BtfTypeOf<K extends BtfKind> = Extract<BtfType, { readonly kind: K }>

/** The kinds, by their number in BTF. */
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
