// The part of a kernel's BTF that the CO-RE relocations of some objects look at: a few kilobytes, for kernels without
// BTF.
import { buildBtf } from '../asm/btf-builder.js'
import { readBtfExt } from '../asm/btf-ext.js'
import {
  array,
  type CType,
  constant,
  forward,
  type Member,
  pointer,
  type RecordType,
  typedef,
  typeTag,
  voidType,
  volatile,
} from '../asm/c-types.js'
import type { CoreRelocation } from '../asm/instruction.js'
import { readObject } from '../asm/object-reader.js'
import { essentialName } from '../btf/essential-name.js'
import type { BtfTypes } from '../btf/parse.js'
import type { BtfStruct, BtfType, BtfUnion } from '../btf/types.js'

/** `enum bpf_core_relo_kind` of linux/bpf.h. */
const kinds = { lastOfFields: 5, typeIdLocal: 6, typeMatches: 12 }

/** The members of a struct that are needed, by index; 'all' also those of the structs in it. */
type Needed = Set<number> | 'all'

/**
 * Returns the BTF that objects need in place of a kernel's: what `bpftool gen min_core_btf` makes.
 *
 * @param target - the types of the kernel
 * @param objects - object files
 */
export function minCoreBtf(target: BtfTypes, objects: Iterable<Uint8Array>): Uint8Array {
  const part = new Part(target)
  for (const bytes of objects) {
    const { elf, btf } = readObject(bytes)
    const section = elf.sections.find(({ name }) => name === '.BTF.ext')
    if (btf === undefined || section === undefined) continue
    for (const { core } of readBtfExt(section.bytes, btf).flatMap(({ core }) => core)) part.add(btf, core)
  }
  return buildBtf({ types: part.types() }, { littleEndian: target.littleEndian })
}

class Part {
  readonly #target: BtfTypes
  readonly #byName = new Map<string, BtfType[]>()
  readonly #roots = new Set<number>()
  readonly #needed = new Map<number, Needed>()
  readonly #made = new Map<number, CType>()

  constructor(target: BtfTypes) {
    this.#target = target
    for (const type of target) {
      if (type.name === '') continue
      const name = essentialName(type.name)
      const others = this.#byName.get(name)
      if (others === undefined) this.#byName.set(name, [type])
      else others.push(type)
    }
  }

  /** Keeps what a relocation looks at in each type that may be the one that it means. */
  add(local: BtfTypes, { type: typeId, access, kind }: CoreRelocation): void {
    if (kind === kinds.typeIdLocal) return
    const type = local.type(typeId as number)
    const isSame = (one: BtfType): boolean =>
      one.kind === type.kind || [one.kind, type.kind].every((kind) => kind === 'enum' || kind === 'enum64')
    for (const candidate of this.#byName.get(essentialName(type.name)) ?? []) {
      if (!isSame(candidate)) continue
      this.#roots.add(candidate.id)
      if (kind <= kinds.lastOfFields) this.#follow(candidate, namesIn(local, type, access))
      else if (kind === kinds.typeMatches) this.#needAll(candidate)
    }
  }

  types(): CType[] {
    return [...this.#roots].map((id) => this.#convert(id))
  }

  #resolve(type: BtfType): BtfType {
    return resolve(this.#target, type)
  }

  /** Keeps the members of a path; an array's element has no name. */
  #follow(from: BtfType, path: readonly (string | undefined)[]): void {
    let type: BtfType | undefined = this.#resolve(from)
    for (const name of path) {
      if (name === undefined) type = type.kind === 'array' ? this.#target.type(type.typeId) : undefined
      else type = isRecord(type) ? this.#member(type, name) : undefined
      // The kernel does not have it, so the part must not contain it, either.
      if (type === undefined) return
      type = this.#resolve(type)
    }
  }

  /** The type of a member, which may be in an anonymous one. The members on the path to it are kept. */
  #member(record: BtfStruct | BtfUnion, wanted: string): BtfType | undefined {
    for (const [i, { name, typeId }] of record.members.entries()) {
      const type = this.#target.type(typeId)
      const inner = name === '' ? this.#resolve(type) : undefined
      const found =
        name === wanted
          ? type
          : inner !== undefined && isRecord(inner)
            ? this.#member(inner, wanted)
            : undefined
      if (found === undefined) continue
      const needed = this.#needed.get(record.id) ?? new Set()
      if (needed !== 'all') this.#needed.set(record.id, needed.add(i))
      return found
    }
    return undefined
  }

  #needAll(type: BtfType): void {
    const record = this.#resolve(type)
    if (record.kind === 'array') this.#needAll(this.#target.type(record.typeId))
    if (!isRecord(record) || this.#needed.get(record.id) === 'all') return
    this.#needed.set(record.id, 'all')
    for (const { typeId } of record.members) this.#needAll(this.#target.type(typeId))
  }

  #convert(id: number): CType {
    const made = this.#made.get(id) ?? this.#make(this.#target.type(id))
    this.#made.set(id, made)
    return made
  }

  #make(type: BtfType): CType {
    switch (type.kind) {
      case 'int': {
        const { name, size, bool, char, signed } = type
        return {
          kind: 'int',
          name,
          size,
          encoding: bool ? 'bool' : char ? 'char' : signed ? 'signed' : 'unsigned',
        }
      }
      case 'float':
        return { kind: 'float', name: type.name, size: type.size }
      case 'array':
        return array(this.#convert(type.typeId), type.length)
      case 'struct':
      case 'union':
        return this.#record(type)
      case 'enum':
      case 'enum64': {
        const { name, size, signed } = type
        return {
          kind: 'enum',
          name,
          size,
          signed,
          values: Object.fromEntries(type.values.map((one) => [one.name, one.value])),
        }
      }
      case 'fwd':
        return forward(type.of, type.name)
      case 'typedef':
        return typedef(type.name, this.#convert(type.typeId))
      case 'const':
        return constant(this.#convert(type.typeId))
      case 'volatile':
        return volatile(this.#convert(type.typeId))
      case 'type_tag':
        return typeTag(type.name, this.#convert(type.typeId))
      case 'restrict':
        return { kind: 'restrict', to: this.#convert(type.typeId) }
      case 'ptr':
        return pointer(this.#pointedTo(this.#target.type(type.typeId)))
      default:
        return voidType
    }
  }

  /** Relocations do not follow pointers. */
  #pointedTo(type: BtfType): CType {
    const to = this.#resolve(type)
    return isRecord(to) && to.name !== '' ? forward(to.kind, to.name) : voidType
  }

  #record(type: BtfStruct | BtfUnion): RecordType {
    const { kind, name, size, id } = type
    const needed = this.#needed.get(id) ?? new Set()
    const members = type.members.filter((_, i) => needed === 'all' || needed.has(i))
    return {
      kind,
      name,
      size,
      align: 1,
      members: (): Member[] =>
        members.map(({ name, typeId, bitOffset, bitfieldSize }) => ({
          name,
          type: this.#convert(typeId),
          bitOffset,
          bitfieldSize,
        })),
    }
  }
}

const isRecord = (type: BtfType): type is BtfStruct | BtfUnion =>
  type.kind === 'struct' || type.kind === 'union'

function resolve(types: BtfTypes, type: BtfType): BtfType {
  let resolved = type
  while (['typedef', 'const', 'volatile', 'restrict', 'type_tag'].includes(resolved.kind))
    resolved = types.type((resolved as { typeId: number }).typeId)
  return resolved
}

/** The members on the path of an access such as `0:1:2`; `undefined` for the element of an array. */
function namesIn(types: BtfTypes, from: BtfType, access: string): (string | undefined)[] {
  const [, ...indices] = access.split(':').map(Number)
  const names: (string | undefined)[] = []
  let type = resolve(types, from)
  for (const index of indices) {
    if (isRecord(type)) {
      const member = type.members[index]
      if (member === undefined) break
      // The index of an anonymous member differs between kernels.
      if (member.name !== '') names.push(member.name)
      type = resolve(types, types.type(member.typeId))
    } else if (type.kind === 'array') {
      names.push(undefined)
      type = resolve(types, types.type(type.typeId))
    } else break
  }
  return names
}
