import type { BtfTypes } from '../btf/parse.js'
import type { CType, Member, RecordType, VoidType } from './c-types.js'
import { concat, StringTable } from './strings.js'

/** `BTF_KIND_*` of linux/btf.h. */
const kinds = {
  int: 1,
  ptr: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  fwd: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  func_proto: 13,
  var: 14,
  datasec: 15,
  float: 16,
  decl_tag: 17,
  type_tag: 18,
  enum64: 19,
} as const

const encodings = { unsigned: 0, signed: 1, char: 2, bool: 4 } as const

/** How a function or variable is linked: `BTF_FUNC_*` and `BTF_VAR_*`. */
export const linkages = { static: 0, global: 1, extern: 2 } as const
export type Linkage = keyof typeof linkages

export interface SectionVariable {
  /** The number of a VAR, or of an extern FUNC. */
  readonly id: number
  readonly offset: number
  readonly size: number
}

/** Writes BTF. Identical types are written once, and a type may refer to itself. */
export class BtfWriter {
  readonly strings: StringTable
  readonly #littleEndian: boolean
  readonly #types: number[][] = []
  /** By the type's object, and by its content: two pointers to one type are one type. */
  readonly #ids = new Map<CType | string, number>()

  /** The type number before the first type that is written. */
  readonly #before: number

  /** @param base - the BTF that is extended: numbers and strings begin after those of the base */
  constructor(littleEndian: boolean, base?: BtfTypes) {
    this.#littleEndian = littleEndian
    this.strings = new StringTable(base?.stringsEnd)
    this.#before = base === undefined ? 0 : base.typeCount - 1
  }

  /** Writes a type and those that it refers to. Returns its number. */
  type(type: CType): number {
    if (type.kind === 'void') return 0
    const known = this.#ids.get(type)
    if (known !== undefined) return known
    const id = 'members' in type ? this.#record(type) : this.#plain(type)
    this.#ids.set(type, id)
    return id
  }

  /** A FUNC with its prototype. */
  function(name: string, type: CType & { kind: 'func_proto' }, linkage: Linkage): number {
    return this.add('func', name, this.type(type), [], linkages[linkage])
  }

  variable(name: string, type: CType, linkage: Linkage): number {
    return this.add('var', name, this.type(type), [linkages[linkage]])
  }

  /** The variables of a section, in the order of their offsets. */
  section(name: string, size: number, variables: readonly SectionVariable[]): number {
    const rest = variables.flatMap(({ id, offset, size }) => [id, offset, size])
    return this.add('datasec', name, size, rest, variables.length)
  }

  /** A tag of a type, or of one of its members or parameters. */
  declTag(name: string, id: number, component = -1): number {
    return this.add('decl_tag', name, id, [component])
  }

  bytes(): Uint8Array {
    const words = this.#types.flat()
    const types = new Uint8Array(words.length * 4)
    const view = new DataView(types.buffer)
    for (const [i, word] of words.entries()) view.setUint32(i * 4, word >>> 0, this.#littleEndian)
    const strings = this.strings.bytes()
    const header = new DataView(new ArrayBuffer(24))
    header.setUint16(0, 0xeb9f, this.#littleEndian)
    header.setUint8(2, 1)
    for (const [i, value] of [24, 0, types.length, types.length, strings.length].entries()) {
      header.setUint32(4 + i * 4, value, this.#littleEndian)
    }
    return concat([new Uint8Array(header.buffer), types, strings])
  }

  /** A struct or union gets its number before its members, which may point back to it. */
  #record(type: RecordType): number {
    const words: number[] = []
    const id = this.#before + this.#types.push(words)
    this.#ids.set(type, id)
    const members = typeof type.members === 'function' ? type.members() : type.members
    const hasBitfields = members.some(({ bitfieldSize }) => bitfieldSize > 0)
    words.push(this.strings.add(type.name), info(type.kind, members.length, hasBitfields), type.size)
    for (const member of members) {
      words.push(this.strings.add(member.name), this.type(member.type), place(member, hasBitfields))
    }
    for (const [i, { tags = [] }] of members.entries()) for (const tag of tags) this.declTag(tag, id, i)
    return id
  }

  #plain(type: Exclude<CType, VoidType | RecordType>): number {
    switch (type.kind) {
      case 'int':
        return this.#once('int', type.name, type.size, [(encodings[type.encoding] << 24) | (type.size * 8)])
      case 'float':
        return this.#once('float', type.name, type.size)
      case 'array':
        return this.#once('array', '', 0, [this.type(type.of), this.#indexType(), type.length])
      case 'enum':
        return this.#enum(type)
      case 'fwd':
        return this.#once('fwd', type.name, 0, [], 0, type.of === 'union')
      case 'func_proto': {
        const parameters = type.parameters.flatMap(({ name, type }) => [
          this.strings.add(name),
          this.type(type),
        ])
        return this.#once('func_proto', '', this.type(type.returns), parameters, type.parameters.length)
      }
      case 'ptr':
        return this.#once('ptr', '', this.type(type.to))
      default:
        return this.#once(type.kind, type.name ?? '', this.type(type.to))
    }
  }

  #enum({ name, size, signed, values }: CType & { kind: 'enum' }): number {
    const entries = Object.entries(values)
    const isWide = size === 8
    const rest = entries.flatMap(([name, value]) => {
      const low = Number(BigInt.asUintN(32, BigInt(value)))
      const high = Number(BigInt.asUintN(32, BigInt(value) >> 32n))
      return isWide ? [this.strings.add(name), low, high] : [this.strings.add(name), low]
    })
    return this.#once(isWide ? 'enum64' : 'enum', name, size, rest, entries.length, signed)
  }

  /** In C's BTF, an array's index has a type: an `int`, with the name that clang gives it. */
  #indexType(): number {
    return this.#once('int', '__ARRAY_SIZE_TYPE__', 4, [32])
  }

  #once(...type: Parameters<BtfWriter['add']>): number {
    const key = JSON.stringify(type)
    const id = this.#ids.get(key) ?? this.add(...type)
    this.#ids.set(key, id)
    return id
  }

  /**
   * Writes one type in BTF's binary form.
   *
   * @param sizeOrType - its size in bytes, or the number of the type that it refers to
   * @param rest - what follows, in words of 32 bits
   * @param count - how many members, values, parameters or variables `rest` has; for a function its linkage
   * @internal
   */
  add(
    kind: keyof typeof kinds,
    name: string,
    sizeOrType: number,
    rest: readonly number[] = [],
    count = 0,
    flag = false,
  ): number {
    return (
      this.#before + this.#types.push([this.strings.add(name), info(kind, count, flag), sizeOrType, ...rest])
    )
  }
}

function info(kind: keyof typeof kinds, count: number, flag: boolean): number {
  return ((flag ? 0x8000_0000 : 0) | (kinds[kind] << 24) | count) >>> 0
}

/** Where a struct has bitfields, the upper 8 bits of each member's offset are its width. */
function place({ bitOffset, bitfieldSize }: Member, hasBitfields: boolean): number {
  return hasBitfields ? ((bitfieldSize << 24) | bitOffset) >>> 0 : bitOffset
}
