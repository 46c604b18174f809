import { cType } from '../btf/c-type.js'
import type { BtfTypes } from '../btf/parse.js'
import {
  type FieldPlan,
  type GroupPlan,
  hasPointers,
  type MemberPlan,
  type Plan,
  Planner,
  type RecordPlan,
} from '../btf/plan.js'
import type { BtfDatasec, BtfEnum, BtfEnum64, BtfStruct, BtfType, BtfUnion } from '../btf/types.js'
import type { Commented, Comments } from './comments.js'
import { doc, type Names, pascal, property } from './names.js'
import type { DeclTags } from './tags.js'

/** A member, as C declares it. */
interface Member {
  readonly typeId: number
  readonly bitOffset: number
  readonly bitfieldSize: number
  /** The record that declares it, and its index there. */
  readonly ownerId: number
  readonly index: number
}

/**
 * Writes TypeScript types for the values that codecs read and write. A type describes what its {@link Plan} decodes
 * into; BTF adds names, enums and comments. Each type is declared once, and its name does not depend on later
 * declarations.
 */
export class TypeWriter {
  readonly #btf: BtfTypes
  readonly #names: Names
  readonly #tags: DeclTags
  readonly #comments: Comments
  /** The comments of types without a name, by the type's id. */
  readonly #nested = new Map<number, Commented>()
  /** Declared names, by the id of the struct, union or enum. */
  readonly #declared = new Map<number, string>()
  /** The same for records in an arena with pointers to others. */
  readonly #inArena = new Map<number, string>()
  #followed: Planner | undefined
  readonly #records = new Map<RecordPlan, string>()
  readonly #declarations: string[] = []
  readonly #typedefs: ReadonlyMap<number, string>

  constructor(btf: BtfTypes, names: Names, tags: DeclTags, comments: Comments) {
    this.#btf = btf
    this.#names = names
    this.#tags = tags
    this.#comments = comments
    this.#typedefs = typedefsOf(btf)
  }

  /** The declarations, in order. */
  get declarations(): readonly string[] {
    return this.#declarations
  }

  /** Returns the name under which a record was declared. */
  nameOf(plan: RecordPlan): string | undefined {
    return this.#records.get(plan)
  }

  /**
   * Returns the TypeScript type of a value.
   *
   * @param place - the name for a type that has none in C
   */
  typeOf(typeId: number, plan: Plan, place: string): string {
    const type = this.#btf.resolve(typeId)
    if (type.kind === 'var') return this.typeOf(type.typeId, plan, place)
    if (type.kind === 'enum' || type.kind === 'enum64') {
      const name = this.#enum(type, place)
      // The values of a 64-bit enum are bigints, but a narrow bitfield decodes into a number.
      return plan.op === 'bits' && type.size > 4 && plan.as === 'number' ? 'number' : name
    }
    switch (plan.op) {
      case 'int':
      case 'float':
        return 'number'
      case 'big':
        if (plan.to !== undefined) return `${this.#pointedTo(plan.to, place)} | null`
        return plan.asNumber ? 'number' : 'bigint'
      case 'bits':
        return plan.as
      case 'bool':
        return 'boolean'
      case 'text':
        return 'string'
      case 'bytes':
        return 'Uint8Array'
      case 'array':
        return arrayOf(this.typeOf(type.kind === 'array' ? type.typeId : typeId, plan.item, place))
      case 'record':
        return this.#record(type as BtfStruct | BtfUnion | BtfDatasec, plan, place)
    }
  }

  /** What a pointer in an arena points to. */
  #pointedTo(typeId: number, place: string): string {
    this.#followed ??= new Planner(this.#btf, false, true)
    return this.typeOf(typeId, this.#followed.plan(typeId), place)
  }

  #record(type: BtfStruct | BtfUnion | BtfDatasec, plan: RecordPlan, place: string): string {
    // Elsewhere, pointers are numbers.
    const follows = hasPointers(plan)
    const declared = follows ? this.#inArena : this.#declared
    const known = declared.get(type.id)
    if (known !== undefined) {
      this.#records.set(plan, known)
      return known
    }
    const wanted = type.name || this.#typedefs.get(type.id) || place
    const other = follows ? 'InArena' : pascal(type.kind)
    const name = this.#names.take(pascal(wanted), `${pascal(wanted)}${other}`)
    declared.set(type.id, name)
    this.#records.set(plan, name)
    // Reserves the place in the file, so that a type comes before the types that it refers to.
    const at = this.#declarations.push('') - 1
    const members = type.kind === 'datasec' ? new Map<string, Member>() : membersOf(this.#btf, type)
    const commented = this.#commented(type)
    const lines = plan.fields.map((field) => this.#field(field, members.get(field.name), name, commented))
    const comment = [`${this.#title(type)}: ${bytes(type.size)}.`, ...this.#words(type), ...unions(plan)]
    this.#declarations[at] =
      lines.length === 0
        ? `${doc(comment)}export type ${name} = Record<never, never>\n`
        : `${doc(comment)}export interface ${name} {\n${lines.join('')}}\n`
    return name
  }

  #field(
    { name, offset, plan }: FieldPlan,
    member: Member | undefined,
    owner: string,
    commented: Commented | undefined,
  ): string {
    const typeId = member?.typeId ?? 0
    const comment = commented?.members.get(name)
    if (comment?.type !== undefined) this.#nested.set(elementOf(this.#btf, typeId), comment.type)
    const type = this.typeOf(typeId, plan, `${owner}_${name}`)
    const words = this.#tags.words(member?.ownerId ?? 0, member?.index, comment?.words)
    const place =
      member !== undefined && plan.op === 'bits'
        ? `${cType(this.#btf, typeId)}:${plan.width} at bit ${member.bitOffset}`
        : `${cType(this.#btf, typeId)} at byte ${offset}`
    return `${doc([...words, place], '  ')}  ${property(name)}: ${type}\n`
  }

  #enum(type: BtfEnum | BtfEnum64, place: string): string {
    const known = this.#declared.get(type.id)
    if (known !== undefined) return known
    const wanted = type.name || this.#typedefs.get(type.id) || place
    const name = this.#names.take(pascal(wanted), `${pascal(wanted)}Enum`)
    this.#declared.set(type.id, name)
    const isBig = type.size > 4
    // The kernel may have values that are not in this list, and flags are combined.
    const any = isBig ? 'bigint' : 'number'
    const values = new Map(type.values.map(({ name, value }) => [name, `${value}${isBig ? 'n' : ''}`]))
    const commented = this.#commented(type)
    const words = (key: string) => doc([commented?.members.get(key)?.words ?? ''], '  ')
    const lines = [...values].map(([key, value]) => `${words(key)}  ${computed(key)}: ${value},\n`)
    const comment = doc([`${this.#title(type)}: ${bytes(type.size)}.`, ...this.#words(type)])
    this.#declarations.push(
      `${comment}export const ${name} = {\n${lines.join('')}} as const\nexport type ${name} = (typeof ${name})[keyof typeof ${name}] | (${any} & {})\n`,
    )
    return name
  }

  #title(type: BtfType): string {
    const typedef = this.#typedefs.get(type.id)
    if (type.name === '' && typedef !== undefined) return typedef
    const word = type.kind === 'enum64' ? 'enum' : type.kind
    return type.name === '' ? `An anonymous ${word}` : `${word} ${type.name}`
  }

  #words(type: BtfType): string[] {
    return this.#tags.words(type.id, -1, this.#commented(type)?.words)
  }

  #commented(type: BtfType): Commented | undefined {
    const name = type.name || this.#typedefs.get(type.id)
    return name === undefined ? this.#nested.get(type.id) : this.#comments.types.get(name)
  }
}

/**
 * Names of typedefs for types without a name of their own. If there are several, the lowest id wins, so that the result
 * is stable.
 */
function typedefsOf(btf: BtfTypes): Map<number, string> {
  const names = new Map<number, string>()
  for (const typedef of btf.ofKind('typedef')) {
    const { id, name } = btf.resolve(typedef.typeId)
    if (name === '' && !names.has(id)) names.set(id, typedef.name)
  }
  return names
}

/** Returns the id of the element type behind all dimensions of an array. */
function elementOf(btf: BtfTypes, typeId: number): number {
  const type = btf.resolve(typeId)
  return type.kind === 'array' ? elementOf(btf, type.typeId) : type.id
}

/** Returns the members of a record by name, including those of its anonymous structs and unions. */
function membersOf(btf: BtfTypes, record: BtfStruct | BtfUnion): Map<string, Member> {
  const found = new Map<string, Member>()
  const add = (owner: BtfStruct | BtfUnion, start: number) => {
    for (const [index, { name, typeId, bitOffset, bitfieldSize }] of owner.members.entries()) {
      const place = start + bitOffset
      if (name !== '') {
        found.set(name, { typeId, bitOffset: place, bitfieldSize, ownerId: owner.id, index })
        continue
      }
      const inner = btf.resolve(typeId)
      if (inner.kind === 'struct' || inner.kind === 'union') add(inner, place)
    }
  }
  add(record, 0)
  return found
}

const arrayOf = (type: string): string => (type.endsWith(' | null') ? `(${type})[]` : `${type}[]`)

/** Describes which members share their bytes. */
function unions(plan: RecordPlan): string[] {
  const names = (member: MemberPlan): string[] =>
    member.kind === 'field' ? [member.name] : member.members.flatMap(names)
  const shared = (group: GroupPlan): string[] => {
    const own = group.kind === 'union' ? [group.members.flatMap(names).join(', ')] : []
    return [...own, ...group.members.flatMap((member) => (member.kind === 'field' ? [] : shared(member)))]
  }
  const all = shared({ kind: plan.union ? 'union' : 'struct', members: plan.members })
  return all
    .filter((list) => list.includes(','))
    .map((list) => `These members share their bytes, so a value to write needs only one of them: ${list}.`)
}

function computed(name: string): string {
  return name === '__proto__' ? '["__proto__"]' : property(name)
}

export function bytes(count: number): string {
  return count === 1 ? '1 byte' : `${count} bytes`
}
