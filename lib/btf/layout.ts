import { malformed } from './malformed.js'
import type { BtfTypes } from './parse.js'
import type { BtfArray, BtfDatasec, BtfStruct, BtfType, BtfUnion } from './types.js'

/** The longest chain of typedefs, qualifiers and array dimensions. libbpf has the same limit. */
const chainLimit = 32

/** How deep structs and unions may be nested. */
const depthLimit = 64

/**
 * How many members a struct or union may have, including those of anonymous ones inside it. No real C code comes close.
 */
const memberLimit = 1 << 20

/** What is left of {@link memberLimit}. A record and the records inside it share one budget. */
export interface MemberBudget {
  left: number
}

export function memberBudget(): MemberBudget {
  return { left: memberLimit }
}

/** Returns the type behind typedefs, `const`, `volatile`, `restrict` and type tags. */
export function resolve(btf: BtfTypes, id: number): BtfType {
  let type = btf.type(id)
  for (let i = 0; i <= chainLimit; i++) {
    switch (type.kind) {
      case 'typedef':
      case 'volatile':
      case 'const':
      case 'restrict':
      case 'type_tag':
        type = btf.type(type.typeId)
        break
      default:
        return type
    }
  }
  throw malformed(`type ${id} refers to itself, or to a chain of more than ${chainLimit} types`)
}

/** Describes a type for messages, for example `struct event`. */
export function describe(type: BtfType): string {
  if (type.kind === 'void') return 'void'
  return type.name === '' ? `anonymous ${type.kind}` : `${type.kind} ${type.name}`
}

/** Returns the element type behind all dimensions of an array, and the number of elements. */
export function elements(btf: BtfTypes, array: BtfArray): { type: BtfType; count: number } {
  let type: BtfType = array
  let count = 1
  for (let i = 0; i < chainLimit; i++) {
    if (type.kind !== 'array') return { type, count }
    count *= type.length
    type = resolve(btf, type.typeId)
  }
  throw malformed(`array ${array.id} refers to itself, or has more than ${chainLimit} dimensions`)
}

/** Returns the type of the value: for a variable, the type that it is declared with. */
function valueType(btf: BtfTypes, id: number): BtfType {
  const type = resolve(btf, id)
  return type.kind === 'var' ? resolve(btf, type.typeId) : type
}

/** Returns the size of a type in bytes. */
export function sizeOf(btf: BtfTypes, id: number): number {
  return sizeOfValue(btf, valueType(btf, id))
}

function sizeOfValue(btf: BtfTypes, type: BtfType): number {
  switch (type.kind) {
    case 'int':
    case 'struct':
    case 'union':
    case 'enum':
    case 'enum64':
    case 'float':
    case 'datasec':
      return type.size
    case 'ptr':
      return btf.pointerSize
    case 'array': {
      const { type: element, count } = elements(btf, type)
      const size = count * sizeOfValue(btf, element)
      if (!(size <= 0xffffffff)) throw malformed(`array ${type.id} is larger than 4 GiB`)
      return size
    }
    default:
      throw new TypeError(`${describe(type)} has no size`)
  }
}

/** Returns the alignment of a type in bytes, as far as BTF records it. */
export function alignOf(btf: BtfTypes, id: number): number {
  return align(btf, valueType(btf, id).id, new Map(), 0)
}

function align(btf: BtfTypes, id: number, known: Map<number, number>, depth: number): number {
  if (depth > depthLimit)
    throw malformed(`type ${id} contains itself, or is nested deeper than ${depthLimit} levels`)
  const type = resolve(btf, id)
  switch (type.kind) {
    case 'int':
    case 'enum':
    case 'enum64':
    case 'float':
      // Only 128-bit integers are aligned to more than a register.
      return Math.min(type.size, type.size === 16 ? 2 * btf.pointerSize : btf.pointerSize)
    case 'ptr':
      return btf.pointerSize
    case 'array':
      return align(btf, elements(btf, type).type.id, known, depth + 1)
    case 'struct':
    case 'union': {
      let result = known.get(type.id)
      if (result === undefined) {
        result = alignOfRecord(btf, type, known, depth)
        known.set(type.id, result)
      }
      return result
    }
    default:
      throw new TypeError(`${describe(type)} has no alignment`)
  }
}

function alignOfRecord(
  btf: BtfTypes,
  type: BtfStruct | BtfUnion,
  known: Map<number, number>,
  depth: number,
): number {
  let largest = 1
  for (const member of type.members) {
    const own = align(btf, member.typeId, known, depth + 1)
    // A member that is not at a multiple of its alignment means that the record is packed.
    if (member.bitfieldSize === 0 && member.bitOffset % (8 * own) !== 0) return 1
    largest = Math.max(largest, own)
  }
  return type.size % largest === 0 ? largest : 1
}

/** A named member of a record. It may be declared in an anonymous struct or union inside the record. */
export interface Field {
  readonly kind: 'field'
  readonly name: string
  readonly typeId: number
  /** Distance from the start of the outermost record in bits. */
  readonly bitOffset: number
  /** Width in bits; 0 if the member is not a bitfield. */
  readonly bitfieldSize: number
  /** No member follows. If this one is an array without a length, it extends to the end of the record. */
  readonly last: boolean
}

/** The members of a record, or of an anonymous struct or union inside it. */
export interface Group {
  readonly kind: 'struct' | 'union'
  readonly members: readonly (Field | Group)[]
}

/**
 * Returns the members of a struct, union or datasec. Anonymous structs and unions stay groups of their own, because an
 * encoder needs to know which members share a union.
 */
export function groupOf(
  btf: BtfTypes,
  type: BtfStruct | BtfUnion | BtfDatasec,
  budget: MemberBudget = memberBudget(),
): Group {
  if (type.kind === 'datasec') return { kind: 'struct', members: variablesOf(btf, type) }
  const names = new Set<string>()

  const nested = (inner: BtfStruct | BtfUnion, start: number, last: boolean, depth: number): Group => {
    if (depth > depthLimit)
      throw malformed(`${describe(type)} contains itself, or is nested deeper than ${depthLimit} levels`)
    const members: (Field | Group)[] = []
    for (const [i, { name, typeId, bitOffset: offset, bitfieldSize }] of inner.members.entries()) {
      if (--budget.left < 0) throw malformed(`${describe(type)} has more than ${memberLimit} members`)
      const bitOffset = start + offset
      const isLast = last && (inner.kind === 'union' || i === inner.members.length - 1)
      if (name !== '') {
        if (names.has(name)) throw malformed(`${describe(type)} has two members named '${name}'`)
        names.add(name)
        members.push({ kind: 'field', name, typeId, bitOffset, bitfieldSize, last: isLast })
        continue
      }
      const anonymous = resolve(btf, typeId)
      // Every other member without a name is padding.
      if (anonymous.kind !== 'struct' && anonymous.kind !== 'union') continue
      if (bitOffset % 8 !== 0)
        throw malformed(`an anonymous ${anonymous.kind} of ${describe(type)} does not start at a whole byte`)
      members.push(nested(anonymous, bitOffset, isLast, depth + 1))
    }
    return { kind: inner.kind, members }
  }
  return nested(type, 0, true, 0)
}

/** Returns the fields of a group and of all groups inside it. */
export function fieldsIn(group: Group): Field[] {
  return group.members.flatMap((member) => (member.kind === 'field' ? [member] : fieldsIn(member)))
}

function variablesOf(btf: BtfTypes, section: BtfDatasec): Field[] {
  const fields = new Map<string, Field>()
  for (const { typeId, offset } of section.variables) {
    const variable = btf.type(typeId)
    if (variable.kind !== 'var')
      throw malformed(`${describe(section)} contains ${describe(variable)}, which is not a variable`)
    const name = variable.name
    if (fields.has(name)) {
      // Two functions can each have a static variable with this name. Only the first is accessible.
      if (variable.linkage === 'static') continue
      throw malformed(`${describe(section)} has two variables named '${name}'`)
    }
    const place = { bitOffset: offset * 8, bitfieldSize: 0, last: false }
    fields.set(name, { kind: 'field', name, typeId: variable.typeId, ...place })
  }
  return [...fields.values()]
}
