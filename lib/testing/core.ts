// CO-RE: changes an object's instructions to fit another kernel's types, as libbpf does when it loads an object.
import type { CoreRelocation, Instruction } from '../asm/instruction.js'
import {
  BPF_ALU,
  BPF_ALU64,
  BPF_LDX,
  BPF_ST,
  BPF_STX,
  callCode,
  ldImm64Code,
  sizeNamed,
  sizes,
} from '../asm/isa.js'
import type { ObjectFunction } from '../asm/object-reader.js'
import { essentialName } from '../btf/essential-name.js'
import { type FoundMember, findMember } from '../btf/find-member.js'
import type { BtfTypes } from '../btf/parse.js'
import type { BtfType } from '../btf/types.js'

/** `enum bpf_core_relo_kind` of linux/bpf.h, by number. */
const kinds = [
  'field_byte_offset',
  'field_byte_size',
  'field_exists',
  'field_signed',
  'field_lshift_u64',
  'field_rshift_u64',
  'type_id_local',
  'type_id_target',
  'type_exists',
  'type_size',
  'enumval_exists',
  'enumval_value',
  'type_matches',
] as const

/**
 * The number of a helper that does not exist: its call replaces an instruction whose type or member the kernel does not
 * have.
 */
export const poisonedCall = 0x0bad_2310

/** One step from a type to a part of it. */
type Step = { readonly member: string; readonly typeId: number } | { readonly index: number }

/** Relocates all functions of an object. @param local - the object's own types @param target - the kernel's */
export function relocate(
  functions: readonly ObjectFunction[],
  local: BtfTypes,
  target: BtfTypes,
): ObjectFunction[] {
  const relocator = new Relocator(local, target)
  return functions.map((fn) => ({
    ...fn,
    instructions: fn.instructions.map((one) =>
      one.core === undefined ? one : relocator.apply(one, one.core),
    ),
  }))
}

/** Fills in the numbers of the object's own types, which do not depend on the kernel. */
export function withLocalTypes(functions: readonly ObjectFunction[]): ObjectFunction[] {
  return functions.map((fn) => ({
    ...fn,
    instructions: fn.instructions.map((one) =>
      one.core !== undefined && kinds[one.core.kind] === 'type_id_local'
        ? withValue(one, BigInt(one.core.type as number))
        : one,
    ),
  }))
}

class Relocator {
  readonly #local: BtfTypes
  readonly #target: BtfTypes
  readonly #candidates = new Map<string, BtfType[]>()

  constructor(local: BtfTypes, target: BtfTypes) {
    this.#local = local
    this.#target = target
  }

  apply(instruction: Instruction, core: CoreRelocation): Instruction {
    const typeId = core.type as number
    switch (kinds[core.kind]) {
      case 'type_id_local':
        return withValue(instruction, BigInt(typeId))
      case 'type_id_target':
      case 'type_exists':
      case 'type_size':
      case 'type_matches':
        return this.#type(instruction, core, typeId)
      case 'enumval_exists':
      case 'enumval_value':
        return this.#enumValue(instruction, core, typeId)
      default:
        return this.#field(instruction, core, typeId)
    }
  }

  #type(instruction: Instruction, { kind }: CoreRelocation, typeId: number): Instruction {
    const local = this.#local.type(typeId)
    const found = this.#candidatesOf(local)[0]
    if (kinds[kind] === 'type_exists' || kinds[kind] === 'type_matches') {
      return withValue(instruction, found === undefined ? 0n : 1n)
    }
    if (found === undefined) return poison(instruction)
    return withValue(
      instruction,
      BigInt(kinds[kind] === 'type_size' ? this.#target.sizeOf(found.id) : found.id),
    )
  }

  #enumValue(instruction: Instruction, { kind, access }: CoreRelocation, typeId: number): Instruction {
    const local = this.#local.resolve(typeId)
    if (local.kind !== 'enum' && local.kind !== 'enum64') return poison(instruction)
    const name = essentialName(local.values[Number(access)]?.name ?? '')
    for (const candidate of this.#candidatesOf(this.#local.type(typeId))) {
      const type = this.#target.resolve(candidate.id)
      if (type.kind !== 'enum' && type.kind !== 'enum64') continue
      const value = (type.values as readonly { name: string; value: number | bigint }[]).find(
        (value) => essentialName(value.name) === name,
      )
      if (value === undefined) continue
      return withValue(instruction, kinds[kind] === 'enumval_exists' ? 1n : BigInt(value.value))
    }
    return kinds[kind] === 'enumval_exists' ? withValue(instruction, 0n) : poison(instruction)
  }

  #field(instruction: Instruction, { kind, access }: CoreRelocation, typeId: number): Instruction {
    const [first, steps] = this.#steps(typeId, access)
    const local = this.#locate(this.#local, typeId, first, steps)
    let found: FoundMember | undefined
    for (const { id } of this.#candidatesOf(this.#local.type(typeId))) {
      found = this.#locate(this.#target, id, first, steps)
      if (found !== undefined) break
    }
    const what = kinds[kind]
    if (what === 'field_exists') return withValue(instruction, found === undefined ? 0n : 1n)
    if (found === undefined) return poison(instruction)
    const { byteOffset, byteSize, bitSize } = extent(this.#target, found)
    switch (what) {
      case 'field_byte_size':
        return withValue(instruction, BigInt(byteSize))
      case 'field_signed':
        return withValue(instruction, isSigned(this.#target.resolve(found.typeId)) ? 1n : 0n)
      case 'field_lshift_u64':
        return withValue(instruction, BigInt(64 - (bitSize + found.bitOffset - byteOffset * 8)))
      case 'field_rshift_u64':
        return withValue(instruction, BigInt(64 - bitSize))
      default:
        return withOffset(
          instruction,
          byteOffset,
          local === undefined ? byteSize : extent(this.#local, local).byteSize,
          byteSize,
        )
    }
  }

  /** The path as names, which are then looked up in the kernel's types. */
  #steps(typeId: number, access: string): [first: number, steps: Step[]] {
    const [first = 0, ...indexes] = access.split(':').map(Number)
    const steps: Step[] = []
    let type = this.#local.resolve(typeId)
    for (const index of indexes) {
      if (type.kind === 'struct' || type.kind === 'union') {
        const member = type.members[index]!
        // Members of an anonymous struct are found as if they were its owner's.
        if (member.name !== '') steps.push({ member: member.name, typeId: member.typeId })
        type = this.#local.resolve(member.typeId)
      } else if (type.kind === 'array') {
        steps.push({ index })
        type = this.#local.resolve(type.typeId)
      }
    }
    return [first, steps]
  }

  #locate(btf: BtfTypes, typeId: number, first: number, steps: readonly Step[]): FoundMember | undefined {
    let field: FoundMember = { typeId, bitOffset: first * btf.sizeOf(typeId) * 8, bitfieldSize: 0 }
    for (const step of steps) {
      const type = btf.resolve(field.typeId)
      let next: FoundMember | undefined
      if ('index' in step) {
        if (type.kind !== 'array' || (type.length > 0 && step.index >= type.length)) return undefined
        next = { typeId: type.typeId, bitOffset: step.index * btf.sizeOf(type.typeId) * 8, bitfieldSize: 0 }
      } else {
        if (type.kind !== 'struct' && type.kind !== 'union') return undefined
        next = findMember(btf, type, step.member)
        if (next !== undefined && !this.#isCompatible(btf, step.typeId, next.typeId)) return undefined
      }
      if (next === undefined) return undefined
      field = { ...next, bitOffset: field.bitOffset + next.bitOffset }
    }
    return field
  }

  /** Whether a kernel's member can be the one that the program means: of the same kind, whatever its size. */
  #isCompatible(btf: BtfTypes, localId: number, typeId: number): boolean {
    const local = this.#local.resolve(localId)
    const type = btf.resolve(typeId)
    const isRecord = (one: BtfType): boolean => one.kind === 'struct' || one.kind === 'union'
    if (isRecord(local) && isRecord(type)) return true
    const isNumber = (one: BtfType): boolean =>
      one.kind === 'int' || one.kind === 'enum' || one.kind === 'enum64'
    return local.kind === type.kind || (isNumber(local) && isNumber(type))
  }

  #candidatesOf(local: BtfType): BtfType[] {
    const name = essentialName(local.name)
    const key = `${local.kind} ${name}`
    const known = this.#candidates.get(key)
    if (known !== undefined) return known
    const found = name === '' ? undefined : this.#target.find(name, local.kind as 'struct')
    const list = found === undefined ? [] : [found]
    this.#candidates.set(key, list)
    return list
  }
}

/** The bytes that hold a field: for a bitfield, aligned ones that hold all of its bits. */
function extent(
  btf: BtfTypes,
  { typeId, bitOffset, bitfieldSize }: FoundMember,
): { byteOffset: number; byteSize: number; bitSize: number } {
  let byteSize = btf.sizeOf(typeId)
  if (bitfieldSize === 0) return { byteOffset: bitOffset / 8, byteSize, bitSize: byteSize * 8 }
  let byteOffset = Math.floor(bitOffset / 8 / byteSize) * byteSize
  while (bitOffset + bitfieldSize - byteOffset * 8 > byteSize * 8 && byteSize < 8) {
    byteSize *= 2
    byteOffset = Math.floor(bitOffset / 8 / byteSize) * byteSize
  }
  return { byteOffset, byteSize, bitSize: bitfieldSize }
}

const isSigned = (type: BtfType): boolean => 'signed' in type && type.signed

function withValue(instruction: Instruction, value: bigint): Instruction {
  const { core: _, ...rest } = instruction
  return {
    ...rest,
    imm: typeof rest.imm === 'bigint' ? BigInt.asUintN(64, value) : Number(BigInt.asIntN(32, value)),
  }
}

/** Fills in an offset. A load of a member that has another size in this kernel loads that many bytes. */
function withOffset(instruction: Instruction, offset: number, localSize: number, size: number): Instruction {
  const kind = instruction.code & 7
  if (kind === BPF_ALU || kind === BPF_ALU64 || instruction.code === ldImm64Code) {
    return withValue(instruction, BigInt(offset))
  }
  if (kind !== BPF_LDX && kind !== BPF_ST && kind !== BPF_STX) return instruction
  const { core: _, ...rest } = instruction
  const code =
    localSize === size || ![1, 2, 4, 8].includes(size)
      ? rest.code
      : (rest.code & ~0x18) | sizes[sizeNamed(size)]
  return { ...rest, code, offset }
}

function poison({ labels, line }: Instruction): Instruction {
  return {
    code: callCode,
    dst: 0,
    src: 0,
    offset: 0,
    imm: poisonedCall,
    ...(labels && { labels }),
    ...(line && { line }),
  }
}
