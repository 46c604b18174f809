import { didYouMean } from '../errors/nearest.js'
import { isBytes } from './bytes.js'
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

/** Bytes after the first 12 of a type: a fixed part, and one for each of its `vlen` members. By kind number. */
const fixedSize = [0, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 4, 0, 0]
const memberSize = [0, 0, 0, 0, 12, 12, 8, 0, 0, 0, 0, 0, 0, 8, 0, 12, 0, 0, 0, 12]

const linkages: readonly BtfLinkage[] = ['static', 'global', 'extern']

/** How many decoded types are kept. Bounds the heap of someone who looks at all of a kernel's types by id. */
const cacheLimit = 1 << 14

const longNames = ['long int', 'long unsigned int', 'long', 'unsigned long', 'unsigned long int']

/**
 * The types in BTF bytes: a `.BTF` section or a file of `/sys/kernel/btf`. Making one only finds where each type starts;
 * a type is decoded when it's asked for. The bytes are kept, not copied: don't change them.
 */
export class BtfTypes implements Iterable<BtfType> {
  /** The BTF that this one continues (split BTF, such as a kernel module's), if any. */
  readonly base: BtfTypes | undefined
  readonly littleEndian: boolean
  /** One more than the highest id: counts `void` and the types of the base. */
  readonly typeCount: number

  /** Only the type section: nothing outside of it can be read by mistake. */
  readonly #view: DataView
  readonly #strings: Uint8Array
  /** Offset of the first string here; those before are the base's. */
  readonly #firstString: number
  /** Id of the first type here; those before are the base's. */
  readonly #firstId: number
  /** Where each type starts in the type section. */
  readonly #offsets: Uint32Array
  readonly #cache = new Map<number, BtfType>()
  #names: NameIndex | undefined
  #pointerSize: 4 | 8 | undefined

  /**
   * @param bytes - the BTF, of either endianness
   * @param base - what split BTF continues: the kernel's BTF for that of a module
   * @throws Error when the bytes aren't sound BTF
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
      throw malformed('split BTF has another byte order than its base')
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

  /** The type with that id. It's decoded anew when it hasn't been asked for lately, so compare ids, not objects. */
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

  /** The first type of that name, and of that kind if one is given. */
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
   * Like {@link find}, for a type that must be there.
   *
   * @throws Error that suggests the nearest names
   */
  get<K extends BtfKind = BtfKind>(name: string, kind?: K): BtfTypeOf<K> {
    const type = this.find(name, kind)
    if (type !== undefined) return type
    throw new RangeError(`no BTF ${kind ?? 'type'} is named '${name}'${didYouMean(name, this.names(kind))}`)
  }

  /** The text at an offset of the string section, as line information of programs names it. */
  text(offset: number): string {
    return this.#string(offset)
  }

  /** The names of all types, or of those of one kind, by id. */
  *names(kind?: BtfKind): Generator<string> {
    if (this.base !== undefined) yield* this.base.names(kind)
    for (let i = 0; i < this.#offsets.length; i++) {
      if (kind !== undefined && this.#kindOf(i) !== kind) continue
      const name = this.#string(this.#nameOffset(i))
      if (name !== '') yield name
    }
  }

  /** All types of one kind, by id. Keeps none of them. */
  *ofKind<K extends BtfKind>(kind: K): Generator<BtfTypeOf<K>> {
    if (this.base !== undefined) yield* this.base.ofKind(kind)
    for (let i = 0; i < this.#offsets.length; i++) {
      if (this.#kindOf(i) === kind) yield this.#decode(this.#firstId + i) as BtfTypeOf<K>
    }
  }

  /** All types by id, those of the base first, without `void`. Keeps none of them. */
  *[Symbol.iterator](): Generator<BtfType> {
    if (this.base !== undefined) yield* this.base
    for (let i = 0; i < this.#offsets.length; i++) yield this.#decode(this.#firstId + i)
  }

  /** Size of a pointer in bytes: that of `long`, or 8 when nothing here is a `long`. */
  get pointerSize(): 4 | 8 {
    this.#pointerSize ??= this.base?.pointerSize ?? this.#sizeOfLong()
    return this.#pointerSize
  }

  /** Size in bytes. */
  sizeOf(id: number): number {
    return sizeOf(this, id)
  }

  /** Alignment in bytes. BTF doesn't record `aligned(n)`: a struct may be placed more strictly than this says. */
  alignOf(id: number): number {
    return alignOf(this, id)
  }

  /** The type behind typedefs, `const`, `volatile`, `restrict` and type tags. */
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
    return readText(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), start, bytes.length - start)
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
        const values = each(8, (offset) => ({
          name: this.#string(u32(offset)),
          value: flag ? s32(offset + 4) : u32(offset + 4),
        }))
        return { kind, id, name, size, signed: flag, values }
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

function linkage(number: number): BtfLinkage {
  const name = linkages[number]
  if (name === undefined) throw malformed(`linkage ${number} is unknown`)
  return name
}

interface Header {
  littleEndian: boolean
  /** Offsets from the start of the bytes. */
  types: number
  typesSize: number
  strings: number
  stringsSize: number
}

function readHeader(bytes: Uint8Array): Header {
  if (!isBytes(bytes)) throw new TypeError('BTF must be given as a Uint8Array')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length >= 4 && view.getUint32(0) === 0x7f454c46) {
    throw new Error("not BTF but a whole ELF file: give the bytes of its '.BTF' section")
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

/** Finds where each type starts, and that each lies within the section. */
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
