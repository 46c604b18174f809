import { didYouMean } from '../errors/nearest.js'
import { isBytes, viewOf } from './bytes.js'
import { type Codec, type CodecOptions, compile } from './codec.js'
import { alignOf, resolve, sizeOf } from './layout.js'
import { malformed } from './malformed.js'
import { type NameBytes, NameIndex } from './names.js'
import { readText } from './text.js'
import {
  type BtfKind,
  type BtfLinkage,
  type BtfMember,
  type BtfType,
  type BtfTypeOf,
  kinds,
} from './types.js'

const magic = 0xeb9f
const headerSize = 24
const commonSize = 12

/**
 * What follows the first 12 bytes of a type: a fixed part, then one part for each of its `vlen` members. Indexed by
 * kind.
 */
const fixedSize = [0, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 4, 0, 0]
const memberSize = [0, 0, 0, 0, 12, 12, 8, 0, 0, 0, 0, 0, 0, 8, 0, 12, 0, 0, 0, 12]

const linkages: readonly BtfLinkage[] = ['static', 'global', 'extern']

/** How many decoded types are kept. This bounds the heap when a caller walks all types of a kernel by id. */
const cacheLimit = 1 << 14

const longNames = ['long int', 'long unsigned int', 'long', 'unsigned long', 'unsigned long int']

/** The kinds whose types have values, in the order in which {@link BtfTypes.codec} looks for a name. */
const valueKinds = ['struct', 'union', 'enum', 'enum64', 'typedef', 'int', 'float', 'datasec'] as const

/** Enumerators from here on up are taken for negative numbers where BTF does not say whether an enum is signed. */
const smallestLikelyNegative = 2 ** 32 - 2 ** 15

/**
 * The types in BTF bytes: the `.BTF` section of an object file, or a file in `/sys/kernel/btf`. The constructor only
 * finds where each type starts; a type is decoded when you ask for it. The bytes are kept, not copied, so do not change
 * them.
 */
export class BtfTypes implements Iterable<BtfType> {
  /** The BTF that this one extends, if it is split BTF like that of a kernel module. */
  readonly base: BtfTypes | undefined
  readonly littleEndian: boolean
  /** One more than the highest id. The count includes `void` and the types of the base. */
  readonly typeCount: number

  /** Covers the type section only, so that nothing outside of it can be read by mistake. */
  readonly #view: DataView
  readonly #strings: Uint8Array
  /** The offset of the first string in this BTF. Lower offsets are strings of the base. */
  readonly #firstString: number
  /** The id of the first type in this BTF. Lower ids are types of the base. */
  readonly #firstId: number
  /** Where each type starts in the type section. */
  readonly #offsets: Uint32Array
  readonly #cache = new Map<number, BtfType>()
  #names: NameIndex | undefined
  #pointerSize: 4 | 8 | undefined
  #hasSigns: boolean | undefined

  /**
   * @param bytes - the BTF, in either byte order
   * @param base - the BTF that split BTF extends: the kernel's for the BTF of a module
   * @throws Error if the bytes are not valid BTF
   */
  constructor(bytes: Uint8Array, base?: BtfTypes) {
    const header = readHeader(bytes)
    this.base = base
    this.littleEndian = header.littleEndian
    this.#view = new DataView(bytes.buffer, bytes.byteOffset + header.types, header.typesSize)
    this.#strings = bytes.subarray(header.strings, header.strings + header.stringsSize)
    this.#firstString = base === undefined ? 0 : base.#firstString + base.#strings.length
    this.#firstId = base?.typeCount ?? 1
    if (base !== undefined && base.littleEndian !== this.littleEndian) {
      throw malformed('split BTF and its base have different byte orders')
    }
    if (this.#strings.length === 0 ? base === undefined : this.#strings.at(-1) !== 0) {
      throw malformed('the string section does not end with a NUL')
    }
    if (base === undefined && this.#strings[0] !== 0) {
      throw malformed(
        'the string section does not start with an empty string: is this split BTF without its base?',
      )
    }
    this.#offsets = indexTypes(this.#view, this.littleEndian, this.#firstId)
    this.typeCount = this.#firstId + this.#offsets.length
  }

  /** Its own types and strings, without those of the base. @internal */
  get sections(): { types: Uint8Array; strings: Uint8Array } {
    const { buffer, byteOffset, byteLength } = this.#view
    const types = new Uint8Array(buffer, byteOffset, byteLength)
    return { types, strings: this.#strings }
  }

  /** Where the strings of BTF that extends this one begin. @internal */
  get stringsEnd(): number {
    return this.#firstString + this.#strings.length
  }

  /**
   * Returns the type with this id. A type that has not been used for a while is decoded again, so compare ids and not
   * objects.
   *
   * @throws RangeError if no type has this id
   */
  type(id: number): BtfType {
    if (!Number.isInteger(id) || id < 0 || id >= this.typeCount) {
      throw new RangeError(`no BTF type has id ${id}: the highest is ${this.typeCount - 1}`)
    }
    if (id !== 0 && id < this.#firstId) return this.base!.type(id)
    let type = this.#cache.get(id)
    if (type === undefined) {
      if (this.#cache.size >= cacheLimit) this.#cache.clear()
      type = this.#decode(id)
      this.#cache.set(id, type)
    }
    return type
  }

  /** Returns the first type with this name and, if given, this kind. Returns undefined if there is none. */
  find<K extends BtfKind = BtfKind>(name: string, kind?: K): BtfTypeOf<K> | undefined {
    const inBase = this.base?.find(name, kind)
    if (inBase !== undefined || name === '') return inBase
    this.#names ??= new NameIndex(this.#offsets.length, (i) => this.#nameBytes(i))
    for (const i of this.#names.find(name)) {
      if (kind === undefined || this.#kindOf(i) === kind) return this.type(this.#firstId + i) as BtfTypeOf<K>
    }
    return undefined
  }

  /**
   * Like {@link find}, but throws if there is no such type.
   *
   * @throws RangeError that suggests similar names
   */
  get<K extends BtfKind = BtfKind>(name: string, kind?: K): BtfTypeOf<K> {
    const type = this.find(name, kind)
    if (type !== undefined) return type
    throw new RangeError(`no BTF ${kind ?? 'type'} is named '${name}'${didYouMean(name, this.names(kind))}`)
  }

  /**
   * Makes a codec that reads and writes values of a type: a struct, union, enum, typedef or another type that has
   * values. If several types share the name, a struct is preferred, then a union, an enum and a typedef.
   *
   * @example
   * const task = btf.codec<{ pid: number; comm: string }>('task_struct')
   * const { pid, comm } = task.decodeBytes(bytes)
   *
   * @param type - the type's name in C, without `struct` or `union`, or its id
   * @throws RangeError that suggests similar names, if no type has this name or id
   * @throws TypeError if the type has no values, or has a member whose type BTF cannot express
   */
  codec<T = Record<string, unknown>>(type: string | number, options?: CodecOptions): Codec<T> {
    return compile<T>(this, typeof type === 'number' ? this.type(type).id : this.valueType(type).id, options)
  }

  /**
   * Returns the type that {@link codec} uses for a name.
   *
   * @throws RangeError that suggests similar names
   * @internal
   */
  valueType(name: string): BtfType {
    for (const kind of valueKinds) {
      const type = this.find(name, kind)
      if (type !== undefined) return type
    }
    return this.get(name)
  }

  /** Returns the text at an offset of the string section. The line information of programs refers to text like this. */
  text(offset: number): string {
    return this.#string(offset)
  }

  /** Iterates over the names of all types, or of all types of one kind, in the order of their ids. */
  *names(kind?: BtfKind): Generator<string> {
    if (this.base !== undefined) yield* this.base.names(kind)
    for (let i = 0; i < this.#offsets.length; i++) {
      if (kind !== undefined && this.#kindOf(i) !== kind) continue
      const name = this.#string(this.#nameOffset(i))
      if (name !== '') yield name
    }
  }

  /**
   * Iterates over all types of one kind in the order of their ids. They are not kept in memory.
   *
   * @param named - only types with a name for which this returns true; the others are not decoded
   */
  *ofKind<K extends BtfKind>(kind: K, named?: (name: string) => boolean): Generator<BtfTypeOf<K>> {
    if (this.base !== undefined) yield* this.base.ofKind(kind, named)
    for (let i = 0; i < this.#offsets.length; i++) {
      if (this.#kindOf(i) !== kind) continue
      if (named !== undefined && !named(this.#string(this.#nameOffset(i)))) continue
      yield this.#decode(this.#firstId + i) as BtfTypeOf<K>
    }
  }

  /**
   * Iterates over all types but `void` in the order of their ids, so the base comes first. They are not kept in memory.
   */
  *[Symbol.iterator](): Generator<BtfType> {
    if (this.base !== undefined) yield* this.base
    for (let i = 0; i < this.#offsets.length; i++) yield this.#decode(this.#firstId + i)
  }

  /** The size of a pointer in bytes: the size of `long`, or 8 if the BTF has no `long`. */
  get pointerSize(): 4 | 8 {
    this.#pointerSize ??= this.base?.pointerSize ?? this.#sizeOfLong()
    return this.#pointerSize
  }

  /** Returns the size of a type in bytes. */
  sizeOf(id: number): number {
    return sizeOf(this, id)
  }

  /**
   * Returns the alignment of a type in bytes. BTF does not record `aligned(n)`, so the real alignment may be larger.
   */
  alignOf(id: number): number {
    return alignOf(this, id)
  }

  /** Returns the type behind typedefs, `const`, `volatile`, `restrict` and type tags. */
  resolve(id: number): BtfType {
    return resolve(this, id)
  }

  #sizeOfLong(): 4 | 8 {
    for (const name of longNames) {
      const size = this.find(name, 'int')?.size
      if (size === 4 || size === 8) return size
    }
    return 8
  }

  /**
   * Guesses the sign of an enum that does not have one. Compilers before clang 15 and pahole 1.24 never say that an
   * enum is signed, so -1 looks like 4294967295. Flags such as `1U << 31` look different from small negative numbers.
   */
  #looksSigned(values: readonly { readonly value: number }[]): boolean {
    const high = values.filter(({ value }) => value >= 2 ** 31)
    return (
      high.length > 0 && high.every(({ value }) => value >= smallestLikelyNegative) && !this.#recordsSigns
    )
  }

  /**
   * Whether any enum is signed or has 64 bits. If so, the compiler knows about signs, and an enum without one is
   * unsigned.
   */
  get #recordsSigns(): boolean {
    this.#hasSigns ??=
      (this.base === undefined ? false : this.base.#recordsSigns) ||
      this.#offsets.some((at) => {
        const info = this.#view.getUint32(at + 4, this.littleEndian)
        const kind = kinds[(info >>> 24) & 0x1f]
        return kind === 'enum64' || (kind === 'enum' && info >>> 31 === 1)
      })
    return this.#hasSigns
  }

  #kindOf(i: number): BtfKind {
    return kinds[(this.#view.getUint32(this.#offsets[i]! + 4, this.littleEndian) >>> 24) & 0x1f]!
  }

  #nameOffset(i: number): number {
    return this.#view.getUint32(this.#offsets[i]!, this.littleEndian)
  }

  #nameBytes(i: number): NameBytes | undefined {
    const offset = this.#nameOffset(i)
    return offset === 0 ? undefined : this.#locate(offset)
  }

  #locate(offset: number): NameBytes {
    if (offset < this.#firstString) return this.base!.#locate(offset)
    const start = offset - this.#firstString
    if (start >= this.#strings.length)
      throw malformed(`a name at offset ${offset} lies outside of the strings`)
    return { bytes: this.#strings, start }
  }

  #string(offset: number): string {
    if (offset === 0) return ''
    const { bytes, start } = this.#locate(offset)
    return readText(viewOf(bytes), start, bytes.length - start)
  }

  #decode(id: number): BtfType {
    if (id === 0) return { kind: 'void', id, name: '' }
    const at = this.#offsets[id - this.#firstId]!
    const u32 = (offset: number) => this.#view.getUint32(at + offset, this.littleEndian)
    const s32 = (offset: number) => this.#view.getInt32(at + offset, this.littleEndian)
    const info = u32(4)
    const flag = info >>> 31 === 1
    const size = u32(8)
    const typeId = size
    const kind = kinds[(info >>> 24) & 0x1f]!
    const name = this.#string(u32(0))
    const each = <T>(stride: number, read: (offset: number) => T): T[] =>
      Array.from({ length: info & 0xffff }, (_, i) => read(commonSize + i * stride))

    switch (kind) {
      case 'int': {
        const encoding = u32(12)
        return {
          kind,
          id,
          name,
          size,
          bits: encoding & 0xff,
          bitOffset: (encoding >>> 16) & 0xff,
          signed: (encoding & (1 << 24)) !== 0,
          char: (encoding & (2 << 24)) !== 0,
          bool: (encoding & (4 << 24)) !== 0,
        }
      }
      case 'array':
        return { kind, id, name, typeId: u32(12), indexTypeId: u32(16), length: u32(20) }
      case 'struct':
      case 'union': {
        const members = each(12, (offset): BtfMember => {
          const place = u32(offset + 8)
          return {
            name: this.#string(u32(offset)),
            typeId: u32(offset + 4),
            bitOffset: flag ? place & 0xffffff : place,
            bitfieldSize: flag ? place >>> 24 : 0,
          }
        })
        return { kind, id, name, size, members }
      }
      case 'enum': {
        const raw = each(8, (offset) => ({ name: this.#string(u32(offset)), value: u32(offset + 4) }))
        const signed = flag || this.#looksSigned(raw)
        return { kind, id, name, size, signed, values: signed ? raw.map(asSigned) : raw }
      }
      case 'enum64': {
        const values = each(12, (offset) => {
          const value = (BigInt(u32(offset + 8)) << 32n) | BigInt(u32(offset + 4))
          return { name: this.#string(u32(offset)), value: flag ? BigInt.asIntN(64, value) : value }
        })
        return { kind, id, name, size, signed: flag, values }
      }
      case 'fwd':
        return { kind, id, name, of: flag ? 'union' : 'struct' }
      case 'func':
        return { kind, id, name, typeId, linkage: linkage(info & 0xffff) }
      case 'func_proto': {
        const params = each(8, (offset) => ({ name: this.#string(u32(offset)), typeId: u32(offset + 4) }))
        const last = params.at(-1)
        const variadic = last !== undefined && last.typeId === 0 && last.name === ''
        return {
          kind,
          id,
          name,
          returnTypeId: typeId,
          params: variadic ? params.slice(0, -1) : params,
          variadic,
        }
      }
      case 'var':
        return { kind, id, name, typeId, linkage: linkage(u32(12)) }
      case 'datasec': {
        const variables = each(12, (offset) => ({
          typeId: u32(offset),
          offset: u32(offset + 4),
          size: u32(offset + 8),
        }))
        return { kind, id, name, size, variables }
      }
      case 'float':
        return { kind, id, name, size }
      case 'decl_tag':
        return { kind, id, name, typeId, componentIndex: s32(12), attribute: flag }
      case 'type_tag':
        return { kind, id, name, typeId, attribute: flag }
      case 'ptr':
      case 'typedef':
      case 'volatile':
      case 'const':
      case 'restrict':
        return { kind, id, name, typeId }
      case 'void':
        throw malformed(`type ${id} has kind 0`)
    }
  }
}

function asSigned<T extends { readonly value: number }>(enumerator: T): T {
  return { ...enumerator, value: enumerator.value | 0 }
}

function linkage(number: number): BtfLinkage {
  const name = linkages[number]
  if (name === undefined) throw malformed(`linkage ${number} is unknown`)
  return name
}

interface Header {
  littleEndian: boolean
  /** `types` and `strings` are offsets from the start of the bytes. */
  types: number
  typesSize: number
  strings: number
  stringsSize: number
}

function readHeader(bytes: Uint8Array): Header {
  if (!isBytes(bytes)) throw new TypeError('BTF must be given as a Uint8Array')
  const view = viewOf(bytes)
  if (bytes.length >= 4 && view.getUint32(0) === 0x7f454c46) {
    throw new Error(
      "this is a whole ELF file, not BTF: pass the bytes of its '.BTF' section, or use Btf.fromFile",
    )
  }
  if (bytes.length < headerSize) {
    throw malformed(`${bytes.length} bytes are too few for a header of ${headerSize}`)
  }
  const littleEndian = view.getUint16(0, true) === magic
  if (!littleEndian && view.getUint16(0) !== magic)
    throw new Error('not BTF: the bytes do not start with its magic number')
  const version = view.getUint8(2)
  if (version !== 1) throw new Error(`BTF version ${version} is not supported`)
  const u32 = (offset: number) => view.getUint32(offset, littleEndian)
  const size = u32(4)
  if (size < headerSize) throw malformed(`a header of ${size} bytes is too short`)
  const header = {
    littleEndian,
    types: size + u32(8),
    typesSize: u32(12),
    strings: size + u32(16),
    stringsSize: u32(20),
  }
  if (header.types + header.typesSize > bytes.length)
    throw malformed('the types go beyond the end of the bytes')
  if (header.strings + header.stringsSize > bytes.length)
    throw malformed('the strings go beyond the end of the bytes')
  return header
}

/** Finds where each type starts, and checks that all of them lie within the section. */
function indexTypes(view: DataView, littleEndian: boolean, firstId: number): Uint32Array {
  const offsets = new Uint32Array(Math.ceil(view.byteLength / commonSize))
  let count = 0
  let offset = 0
  while (offset < view.byteLength) {
    const left = view.byteLength - offset
    if (left < commonSize) throw malformed(`type ${firstId + count} is cut short`)
    const info = view.getUint32(offset + 4, littleEndian)
    const kind = (info >>> 24) & 0x1f
    if (kind === 0 || kind >= kinds.length)
      throw malformed(`type ${firstId + count} has the unknown kind ${kind}`)
    const size = commonSize + fixedSize[kind]! + memberSize[kind]! * (info & 0xffff)
    if (left < size) throw malformed(`type ${firstId + count}, a ${kinds[kind]}, is cut short`)
    offsets[count++] = offset
    offset += size
  }
  return offsets.slice(0, count)
}
