// What an expression can be while a function is compiled.
import type { Base, Reg } from './ir.js'
import type { KernelPath, KernelRecord } from './kernel-types.js'
import type { ModuleMap } from './module.js'
import { describe, type IntType, type StructType, type Type } from './types.js'

/** A number that is known, of any size until it meets one that has a size. */
export interface ConstantValue {
  readonly kind: 'constant'
  readonly value: bigint
  readonly type?: IntType
}

/** A number in a register: its own bits, extended to 64 by its sign or by zeros. */
export interface NumberValue {
  readonly kind: 'number'
  readonly reg: Reg
  readonly type: IntType
  /** The number is known to be smaller than this, to the verifier as well. */
  readonly below?: number
  /** The verifier always knows its value: it follows each round of the loop that counts it. */
  readonly isFollowed?: true
  /** How many of its bits can be set, if that is less than its type has. */
  readonly usedBits?: number
}

/** Memory that a program may read, and write unless it is read-only. */
export interface PlaceValue {
  readonly kind: 'place'
  readonly base: Base
  readonly offset: number
  readonly type: Type
  /** Why it cannot be written. */
  readonly readonly?: string
  /** Other CPUs may change it at the same time. */
  readonly shared?: boolean
  /** The kernel lets programs read it in pieces of this type only. */
  readonly inSizeOf?: Type
  /** What its base is a multiple of: 8, unless the base is the address of a part of something else. */
  readonly align?: number
  /** The map that it was found in. */
  readonly origin?: MapValue
  /** The kernel lets the program read and write it at constant offsets only, and takes no address of it. */
  readonly inContext?: true
  /** It is a global variable, or a part of one. */
  readonly isGlobal?: true
  /** It is in an object that the program has allocated. */
  readonly isObject?: true
  /** It is in a reserved record: what follows the zero byte of its text is never compared. */
  readonly inRecord?: true
  /** The packet that it is in; `passed` in a function that got it without the packet. */
  readonly inPacket?: ContextValue | 'passed'
  /** It is in the arena: the verifier knows no bounds, and helpers cannot use it. */
  readonly inArena?: true
}

/** What the address of a place is a multiple of. The kernel wants each access to the stack to be aligned. */
export function alignmentOf({ offset, align = 8 }: PlaceValue): number {
  return Math.min(align, offset & -offset || 8)
}

/** Whether a pointer is known not to be null: `maybe` until it was compared with null. */
export type PointerState = 'maybe' | 'present' | 'absent' | 'given back' | 'stale'

/** Something that a program has to release before it ends. */
export interface Owed {
  /** What it is in words, and its state until then. */
  readonly what: 'record' | 'reference' | 'lock'
  readonly still: 'reserved' | 'held'
  /** The ring buffer that it has to be submitted to, or discarded from. */
  readonly map?: ModuleMap
  /** The helper or kfunc that releases it. */
  readonly release?: string
  /** How to release a value of this name, for hints. */
  readonly how: (name: string) => string
  /** The call that gets it, for hints about giving it a name. */
  readonly withName: string
}

/** What a map's get, or a ring buffer's reserve, returns. */
export interface PointerValue {
  readonly kind: 'pointer'
  readonly reg: Reg
  readonly type: Type
  readonly owed?: Owed
  /** The map that it was found in. */
  readonly origin?: MapValue
  /** What it is a multiple of, if that is less than 8. */
  readonly align?: number
  /** The packet that it points into, until that is changed; `passed` in a function that got it without the packet. */
  readonly inPacket?: ContextValue | 'passed'
  /** The dynptr that it points into. It may be released, or its packet may be changed. */
  readonly within?: DynptrValue
  /** Why what it points to cannot be written. */
  readonly readonly?: string
  /** Other CPUs may change it at the same time. */
  readonly shared: boolean
  /** It points into the arena. */
  readonly inArena?: true
  /** Where it was loaded from, if another pointer can be stored there. */
  readonly from?: PlaceValue
  /** An object of the kernel's allocator. It points this many bytes past the object's start. */
  readonly object?: { readonly at: number; readonly isLent?: true }
}

/** A pointer to memory whose size the kernel checks when the program runs. It is on the stack. */
export interface DynptrValue {
  readonly kind: 'dynptr'
  readonly frame: number
  readonly of: 'memory' | 'record' | 'packet'
  /** Not 0 if there is a dynptr. Undefined if there always is one. */
  readonly reg?: Reg
  readonly nullable?: boolean
  readonly owed?: Owed
  /** The one that it is a copy of. */
  readonly within?: DynptrValue
}

/** A pointer to one of the kernel's structs. */
export interface KernelPointerValue {
  readonly kind: 'kernel pointer'
  readonly reg: Reg
  readonly record: KernelRecord
  /** The verifier knows it too, so memory may be read through it without a helper. */
  readonly trusted: boolean
  /** The verifier knows what it points to, but not the pointers in that. */
  readonly isBuffer?: boolean
  /** RCU protects what it points to for a while, which is not enough for all functions of the kernel. */
  readonly underRcu?: true
  /** It has to be compared with null before it is followed. */
  readonly nullable?: boolean
  readonly owed?: Owed
}

/** A part of the memory of a process that has not been read yet. */
export interface UserPlaceValue {
  readonly kind: 'user place'
  /** What the offset is counted from. */
  readonly base: Reg
  readonly offset: number
  readonly type: Type
}

/** A part of a kernel struct that has not been read yet. */
export interface KernelPlaceValue {
  readonly kind: 'kernel place'
  readonly pointer: KernelPointerValue
  readonly path: KernelPath
}

/** A struct that the kernel shows to programs in place of its own: a context or a socket. */
export interface ContextValue {
  readonly kind: 'context'
  readonly reg: Reg
  readonly record: KernelRecord
  /** Where the struct begins, for a struct inside of another. */
  readonly offset?: number
  /** Where the packet's edges are, if the program sees a packet. */
  readonly packet?: PacketEdges
  /** It has to be compared with null before it is followed. */
  readonly nullable?: boolean
  readonly owed?: Owed
}

/** The members of a context that point to the first byte, and past the last one. */
export interface PacketEdges {
  readonly data: string
  readonly end: string
}

/** A part of a kernel struct as the program itself declares it. */
export interface FlavorPlaceValue {
  readonly kind: 'flavor place'
  readonly pointer: KernelPointerValue
  /** The interface, whose name is that of the kernel's struct up to three underscores. */
  readonly root: StructType
  /** Numbers of members and elements, from the struct on. */
  readonly steps: readonly number[]
  /** Bytes from the start of the interface. */
  readonly offset: number
  readonly type: Type
}

/** Constants under one name, such as XDP.PASS. */
export interface ConstantsValue {
  readonly kind: 'constants'
  readonly name: string
  readonly values: Readonly<Record<string, number>>
}

/** A position in the packet that advances as structs are read. */
export interface CursorValue {
  readonly kind: 'cursor'
  readonly packet: ContextValue
  /** The bytes in front of it. */
  readonly offset: Reg
}

/** A spin lock or RCU that is held, under a name that programs cannot write. */
export interface LockValue {
  readonly kind: 'lock'
  /** As it stands in the program. */
  readonly text: string
  /** Not a spin lock: the program only promises not to sleep while it is held. */
  readonly isRcu?: true
  /** Where the map's value with the lock is. */
  readonly base?: Base
  readonly owed: Owed
}

export interface MapValue {
  readonly kind: 'map'
  readonly map: ModuleMap
  /** The register with its address, for a map that was found in a map of maps. */
  readonly reg?: Reg
  /** It has to be compared with null before it is used. */
  readonly nullable?: boolean
}

/** `bpf`, whose members are the helpers, `kfunc` with other functions of the kernel, and `each` with its iterators. */
export interface NamespaceValue {
  readonly kind: 'namespace'
  readonly name: 'bpf' | 'kfunc' | 'each'
}

/** Text in the kernel's memory, by its address. */
export interface KernelTextValue {
  readonly kind: 'kernel text'
  readonly reg: Reg
}

export interface VoidValue {
  readonly kind: 'void'
}

export type Value =
  | ConstantValue
  | NumberValue
  | PlaceValue
  | PointerValue
  | KernelPointerValue
  | KernelPlaceValue
  | FlavorPlaceValue
  | UserPlaceValue
  | MapValue
  | ContextValue
  | CursorValue
  | DynptrValue
  | LockValue
  | ConstantsValue
  | KernelTextValue
  | NamespaceValue
  | VoidValue

/** A name in a function. */
export interface Variable {
  readonly value: Value
  readonly mutable: boolean
  /** It counts the rounds of a `range`. */
  readonly isRound?: true
  readonly state?: PointerState
}

export type Scope = Map<string, Variable>

/**
 * What is known about a variable at the end of a path. A block on the path may use the name for a variable of its own.
 */
export function stateAt(way: Scope, name: string, variable: Variable): PointerState {
  const found = way.get(name)
  return (found?.value === variable.value ? found : variable).state!
}

/** Records that what a variable refers to was released. */
export function markGivenBack(scope: Scope, name: string): void {
  scope.set(name, { ...scope.get(name)!, state: 'given back' })
}

/** What has to be released, if the value is something that has to be. */
export function owedOf(value: Value): Owed | undefined {
  return 'owed' in value ? value.owed : undefined
}

/** A name of a scope as it stands in the program. */
export const writtenName = (name: string): string => name.replace(/^lock /, '')

/** Whether a value may be null, so that it has to be compared with null. */
export function isNullable(value: Value): boolean {
  return value.kind === 'pointer' || ('nullable' in value && value.nullable === true)
}

/** The kind of a value in words, for messages. */
export function describeValue(value: Value): string {
  switch (value.kind) {
    case 'constant':
    case 'number':
      return value.type?.user === undefined ? 'a number' : `a ${value.type.name}`
    case 'place':
      switch (value.type.kind) {
        case 'struct':
          return `a ${value.type.name}`
        case 'chars':
          return 'text'
        case 'array':
          return 'an array'
        case 'ptr':
          return `a ${value.type.name}`
        case 'int':
          return value.type.user === undefined ? 'a value in memory' : `a ${value.type.name}`
        default:
          return 'a value in memory'
      }
    case 'pointer':
      if (value.inArena) return `a ptr<${describe(value.type)}>`
      if (value.object !== undefined) return 'an object'
      return value.owed !== undefined ? 'a record' : 'a pointer into a map or a packet'
    case 'kernel pointer':
      return `a pointer to the kernel's struct ${value.record.name}`
    case 'kernel place':
    case 'flavor place':
      return "a part of the kernel's memory"
    case 'user place':
      return "a part of a process's memory"
    case 'map':
      return `the map '${value.map.name}'`
    case 'cursor':
      return 'a cursor'
    case 'dynptr':
      return 'a dynptr'
    case 'lock':
      return 'a lock'
    case 'context':
      return value.packet === undefined ? `a struct ${value.record.name}` : 'the packet'
    case 'constants':
      return `'${value.name}'`
    case 'namespace':
      return `'${value.name}'`
    case 'kernel text':
      return 'text of the kernel'
    case 'void':
      return 'nothing'
  }
}
