// The kernel's structs as a program sees them. The object gets a twin of each one, with just the members that are used.
// CO-RE finds these by name in the kernel that the program is loaded into.

import * as c from '../asm/c-types.js'
import type { CoreRelocation } from '../asm/instruction.js'
import { type FoundMember, findMember } from '../btf/find-member.js'
import type { BtfTypes } from '../btf/parse.js'
import type { BtfEnum, BtfEnum64, BtfFuncProto, BtfStruct, BtfType, BtfUnion } from '../btf/types.js'
import { tracepointFunction } from '../machine/kallsyms.js'
import { sharedRecord } from '../machine/shared-records.js'
import { isRunningKernel } from './running-kernel.js'

export type KernelRecord = BtfStruct | BtfUnion

/** `enum bpf_core_relo_kind` of linux/bpf.h. */
const kinds = {
  offset: 0,
  size: 1,
  exists: 2,
  localTypeId: 6,
  shiftLeft: 4,
  shiftRight: 5,
  typeSize: 9,
  enumExists: 10,
  enumValue: 11,
} as const

/** What is asked about a part of a kernel struct. */
export type Question = 'offset' | 'size' | 'exists' | 'shiftLeft' | 'shiftRight'

/** A twin while members are added to it. */
interface Twin {
  readonly type: { kind: 'struct' | 'union'; name: string; size: number; align: number; members: c.Member[] }
  readonly index: Map<string, number>
  /** Bytes from its start to where the next member of a struct is put. */
  next: number
}

/** A path from a kernel struct to a part of it. */
export interface KernelPath {
  readonly root: KernelRecord
  /** Names of members and numbers of elements. */
  readonly steps: readonly (string | number)[]
  /** The type at its end, in the kernel's BTF. */
  readonly typeId: number
  /** How many bits it has, if it is a bitfield. */
  readonly bits?: number
}

export class KernelTypes {
  readonly btf: BtfTypes
  #kfuncs: Set<string> | undefined
  readonly #twins = new Map<number, Twin>()
  /** What a program has named in the kernel, to be declared for tsc, even if the program uses it wrongly. */
  readonly named = {
    records: new Set<KernelRecord>(),
    kfuncs: new Set<string>(),
    iterators: new Set<string>(),
  }

  constructor(btf: BtfTypes) {
    this.btf = btf
  }

  record(name: string): KernelRecord | undefined {
    return this.btf.find(name, 'struct') ?? this.btf.find(name, 'union')
  }

  /** The arguments of a tracepoint, as the kernel passes them. */
  tracepoint(name: string): BtfFuncProto | undefined {
    const type = this.btf.find(`btf_trace_${name}`, 'typedef')
    if (type === undefined) return undefined
    const pointer = this.btf.resolve(type.typeId)
    const prototype = pointer.kind === 'ptr' ? this.btf.resolve(pointer.typeId) : undefined
    // The first argument is the tracepoint's own.
    if (prototype?.kind !== 'func_proto') return undefined
    // Only the function that calls the tracepoint's programs has the names.
    const named = this.function(tracepointFunction(name))?.params ?? []
    const params = prototype.params.map(({ name, typeId }, i) => ({
      name: name || (named[i]?.name ?? ''),
      typeId,
    }))
    return { ...prototype, params: params.slice(1) }
  }

  /** The kernel's functions that programs may call; undefined before Linux 6.10, whose BTF does not list them. */
  kfuncNames(): ReadonlySet<string> | undefined {
    this.#kfuncs ??= new Set(
      [...this.btf.ofKind('decl_tag')].flatMap((tag) =>
        tag.name === 'bpf_kfunc' ? [this.btf.type(tag.typeId).name] : [],
      ),
    )
    return this.#kfuncs.size === 0 ? undefined : this.#kfuncs
  }

  *tracepointNames(): Generator<string> {
    for (const name of this.btf.names('typedef')) if (name.startsWith('btf_trace_')) yield name.slice(10)
  }

  /** What a tracepoint records: the struct that its format describes. @param name - such as `sched/sched_switch` */
  tracepointRecord(name: string): KernelRecord | undefined {
    const [category, event = ''] = name.split('/')
    const common = category === 'syscalls' ? event.replace(/^(sys_enter|sys_exit)_.*/, '$1') : event
    const own = this.record(`trace_event_raw_${common}`)
    return own ?? (isRunningKernel(this.btf) ? sharedRecord(this.btf, name) : undefined)
  }

  function(name: string): BtfFuncProto | undefined {
    const found = this.btf.find(name, 'func')
    const prototype = found && this.btf.resolve(found.typeId)
    return prototype?.kind === 'func_proto' ? prototype : undefined
  }

  /** The record by its name, which a program gets a pointer to. */
  recordFor(name: string): KernelRecord | undefined {
    const record = this.record(name)
    if (record !== undefined) this.named.records.add(record)
    return record
  }

  /** The records of which members were read, or could have been. */
  recordsRead(): KernelRecord[] {
    const read = [...this.#twins.keys()].map((id) => this.btf.type(id) as KernelRecord)
    return [...new Set([...read, ...this.named.records])]
  }

  /** A member of a record, also of anonymous structs and unions in it. */
  member(record: KernelRecord, name: string): FoundMember | undefined {
    return findMember(this.btf, record, name)
  }

  /** Whether numbers of a type are in the network's byte order: the kernel calls it __be16, __be32 or __be64. */
  isBigEndian(typeId: number): boolean {
    for (let type = this.btf.type(typeId); ; type = this.btf.type(type.typeId)) {
      if (type.kind === 'typedef' && /^__be(16|32|64)$/.test(type.name)) return true
      if (type.kind !== 'typedef' && type.kind !== 'const' && type.kind !== 'volatile') return false
    }
  }

  memberNames(record: KernelRecord): string[] {
    return record.members.flatMap(({ name, typeId }) => {
      if (name !== '') return [name]
      const inner = this.btf.resolve(typeId)
      return inner.kind === 'struct' || inner.kind === 'union' ? this.memberNames(inner) : []
    })
  }

  /** What libbpf has to put into an instruction, and what is there until then: the offset in the twin. */
  offsetOf(path: KernelPath): { core: CoreRelocation; offset: number } {
    const { core, offset } = this.#access(path)
    return { core: { ...core, kind: kinds.offset }, offset }
  }

  /** What libbpf finds out about a part of a struct when it loads the program. */
  ask(path: KernelPath, question: Question): CoreRelocation {
    return { ...this.#access(path).core, kind: kinds[question] }
  }

  /** The size of a struct. */
  sizeOfRecord({ kind, name, size }: KernelRecord): { core: CoreRelocation; size: number } {
    // Not the twin: it has another size, and libbpf expects the size that is in the instruction.
    const type: c.RecordType = { kind, name, size, align: 1, members: [] }
    return { core: { type, access: '0', kind: kinds.typeSize }, size }
  }

  /** The number of a type of the program in its own BTF. */
  localType(type: c.CType): CoreRelocation {
    return { type, access: '0', kind: kinds.localTypeId }
  }

  /** A value of an enum, or whether there is one. */
  enumValue(
    name: string,
    value: string,
  ): { value: bigint; core: CoreRelocation; exists: CoreRelocation } | undefined {
    const type = this.btf.find(name, 'enum') ?? this.btf.find(name, 'enum64')
    const found = type?.values.find((one) => one.name === value)
    if (type === undefined || found === undefined) return undefined
    const twin = c.enumeration(name, { [value]: found.value }, type.size)
    const core = { type: twin, access: '0' }
    return {
      value: BigInt(found.value),
      core: { ...core, kind: kinds.enumValue },
      exists: { ...core, kind: kinds.enumExists },
    }
  }

  isRecord(typeId: number): boolean {
    const { kind } = this.btf.resolve(typeId)
    return kind === 'struct' || kind === 'union'
  }

  /** Whether a type is an array of char, or a pointer to char. */
  isText(typeId: number): boolean {
    const type = this.btf.resolve(typeId)
    if (type.kind !== 'array' && type.kind !== 'ptr') return false
    const of = this.btf.resolve(type.typeId)
    return of.kind === 'int' && of.size === 1 && !of.bool
  }

  /** How many bytes text has, with the zero byte; behind a pointer, a reasonable number. */
  textLength(typeId: number): number {
    const type = this.btf.resolve(typeId)
    return type.kind === 'array' && type.length > 0 ? type.length : 64
  }

  enumNames(): string[] {
    return [...this.btf.names('enum'), ...this.btf.names('enum64')]
  }

  valueNames(name: string): string[] {
    const type = this.btf.find(name, 'enum') ?? this.btf.find(name, 'enum64')
    return type?.values.map((one) => one.name) ?? []
  }

  #access({ root, steps }: KernelPath): { core: CoreRelocation; offset: number } {
    const indexes: number[] = [0]
    let type: BtfType = root
    let bits = 0
    let element = 0
    for (const step of steps) {
      if (typeof step === 'number') {
        indexes.push(step)
        bits += step * element * 8
        continue
      }
      const twin = this.#twin(type as KernelRecord)
      const index = this.#memberIndex(twin, type as KernelRecord, step)
      indexes.push(index)
      bits += twin.type.members[index]!.bitOffset
      type = this.btf.resolve(this.member(type as KernelRecord, step)!.typeId)
      if (type.kind === 'array') {
        element = this.sizeInObject(type.typeId)
        type = this.btf.resolve(type.typeId)
      }
    }
    return {
      core: { type: this.#twin(root).type as c.CType, access: indexes.join(':'), kind: 0 },
      offset: bits / 8,
    }
  }

  #twin(record: KernelRecord): Twin {
    const known = this.#twins.get(record.id)
    if (known !== undefined) return known
    const { kind, name } = record
    const twin: Twin = { type: { kind, name, size: 8, align: 8, members: [] }, index: new Map(), next: 8 }
    this.#twins.set(record.id, twin)
    return twin
  }

  #memberIndex(twin: Twin, record: KernelRecord, name: string): number {
    const { type, index } = twin
    const known = index.get(name)
    if (known !== undefined) return known
    const { typeId, bitfieldSize } = this.member(record, name)!
    const member = this.cType(typeId)
    // Members of a twin begin at multiples of 8 bytes, which is hardly ever where the kernel has them, so a missing
    // relocation is noticed at once.
    const bitOffset = type.kind === 'union' ? 0 : twin.next * 8
    const at = type.members.push({ name, type: member, bitOffset, bitfieldSize }) - 1
    const size = roomFor(c.sizeOf(member))
    if (type.kind === 'struct') twin.next += size
    type.size = Math.max(type.size, type.kind === 'struct' ? twin.next : size)
    index.set(name, at)
    return at
  }

  /** Bytes of the twin of a record with all of its members. */
  #capacity(record: KernelRecord): number {
    const known = this.#capacities.get(record.id)
    if (known !== undefined) return known
    const sizes = record.members.map(({ name, typeId }) => {
      const type = this.btf.resolve(typeId)
      const isInline = name === '' && (type.kind === 'struct' || type.kind === 'union')
      return isInline ? this.#capacity(type) : this.#room(typeId)
    })
    const size =
      record.kind === 'union' ? Math.max(8, ...sizes) : 8 + sizes.reduce((sum, one) => sum + one, 0)
    this.#capacities.set(record.id, size)
    return size
  }

  readonly #capacities = new Map<number, number>()

  /** Bytes that a member has in a twin. */
  #room(typeId: number): number {
    const type = this.btf.resolve(typeId)
    if (type.kind === 'struct' || type.kind === 'union') return this.#capacity(type)
    const hasRecords =
      type.kind === 'array' && ['struct', 'union', 'array'].includes(this.btf.resolve(type.typeId).kind)
    return hasRecords ? this.#room(type.typeId) * type.length : roomFor(this.btf.sizeOf(typeId))
  }

  /** Bytes of a type as it stands in the object. */
  sizeInObject(typeId: number): number {
    return c.sizeOf(this.cType(typeId))
  }

  /** A type of the kernel as it stands in the object. Records are twins. */
  cType(typeId: number): c.CType {
    const type = this.btf.resolve(typeId)
    switch (type.kind) {
      case 'int':
        return {
          kind: 'int',
          name: type.name,
          size: type.size,
          encoding: type.bool ? 'bool' : type.signed ? 'signed' : 'unsigned',
        }
      case 'enum':
      case 'enum64':
        // libbpf matches enums by their names. The values do not matter here.
        return { kind: 'enum', name: type.name, size: type.size, signed: type.signed, values: firstOf(type) }
      case 'ptr': {
        const to = this.btf.resolve(type.typeId)
        const isRecord = to.kind === 'struct' || to.kind === 'union'
        return c.pointer(isRecord ? c.forward(to.kind, to.name) : c.voidType)
      }
      case 'array':
        return c.array(this.cType(type.typeId), type.length)
      case 'struct':
      case 'union': {
        const twin = this.#twin(type)
        // A record inside another one has room for all of its members from the start, so that what follows it is never
        // moved.
        twin.type.size = Math.max(twin.type.size, this.#capacity(type))
        return twin.type as c.CType
      }
      default:
        return c.voidType
    }
  }
}

/** The members of a twin begin at multiples of 8 bytes, and none begins where another does. */
const roomFor = (size: number): number => Math.max(1, Math.ceil(size / 8)) * 8

function firstOf({ values: [first] }: BtfEnum | BtfEnum64): Record<string, number | bigint> {
  return first === undefined ? {} : { [first.name]: first.value }
}
