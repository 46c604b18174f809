// The kernel's structs from plain objects: `{ tgid: 42, real_parent: { tgid: 1 } }`.
import { findMember } from '../btf/find-member.js'
import type { BtfTypes } from '../btf/parse.js'
import type { BtfStruct, BtfUnion } from '../btf/types.js'
import { type Memory, type Region, writeNumber } from './memory.js'

/**
 * A value of a struct's member: a number, a string for `char[]` and `char *`, bytes, an object for a struct or a
 * pointer to one, `null`.
 */
export type KernelValue =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | null
  | readonly KernelValue[]
  | { readonly [member: string]: KernelValue }

export class KernelValues {
  readonly #memory: Memory
  readonly #btf: BtfTypes
  /** Structs that exist already: an object that is used in two places becomes one struct. */
  readonly #made = new Map<object, bigint>()

  constructor(memory: Memory, btf: BtfTypes) {
    this.#memory = memory
    this.#btf = btf
  }

  /** Puts a struct into memory. Returns its address. @throws TypeError that names the member that does not fit */
  make(type: string, value: { readonly [member: string]: KernelValue }): bigint {
    const found = this.#btf.find(type, 'struct') ?? this.#btf.find(type, 'union')
    if (found === undefined)
      throw new TypeError(`the object's BTF has no struct ${type}: the programs do not use it`)
    return this.#record(found, value, `struct ${type}`)
  }

  #record(
    type: BtfStruct | BtfUnion,
    value: { readonly [member: string]: KernelValue },
    name: string,
  ): bigint {
    const known = this.#made.get(value)
    if (known !== undefined) return known
    const region = this.#memory.region('kernel memory', name, Math.max(1, this.#btf.sizeOf(type.id)))
    const pointer = this.#memory.pointer(region)
    this.#made.set(value, pointer)
    this.#fill(region, 0, type, value, name)
    return pointer
  }

  #fill(region: Region, at: number, type: BtfStruct | BtfUnion, value: object, path: string): void {
    for (const [member, one] of Object.entries(value) as [string, KernelValue][]) {
      const found = findMember(this.#btf, type, member)
      if (found === undefined) throw new TypeError(`${path} has no member '${member}' in the object's BTF`)
      if (found.bitfieldSize > 0)
        this.#bits(region, at * 8 + found.bitOffset, found.bitfieldSize, BigInt(one as number))
      else this.#write(region, at + found.bitOffset / 8, found.typeId, one, `${path}.${member}`)
    }
  }

  #bits(region: Region, bitOffset: number, width: number, value: bigint): void {
    const { bytes } = this.#memory
    for (let i = 0; i < width; i++) {
      const at = region.base + ((bitOffset + i) >> 3)
      const mask = 1 << ((bitOffset + i) & 7)
      bytes[at] = ((value >> BigInt(i)) & 1n) === 1n ? bytes[at]! | mask : bytes[at]! & ~mask
    }
  }

  #write(region: Region, at: number, typeId: number, value: KernelValue, path: string): void {
    const type = this.#btf.resolve(typeId)
    const { bytes, view } = this.#memory
    const where = region.base + at
    switch (type.kind) {
      case 'struct':
      case 'union':
        if (typeof value !== 'object' || value === null) throw new TypeError(`${path} is not an object`)
        this.#fill(region, at, type, value, path)
        return
      case 'array': {
        const size = this.#btf.sizeOf(type.typeId)
        if (typeof value === 'string' || value instanceof Uint8Array) {
          const data = typeof value === 'string' ? new TextEncoder().encode(value) : value
          bytes.set(data.subarray(0, size * type.length), where)
          return
        }
        if (!Array.isArray(value)) throw new TypeError(`${path} is not an array`)
        for (const [i, one] of (value as readonly KernelValue[]).entries()) {
          if (i >= type.length) throw new RangeError(`${path} has ${type.length} elements`)
          this.#write(region, at + i * size, type.typeId, one, `${path}[${i}]`)
        }
        return
      }
      case 'ptr': {
        const address = this.#pointer(type.typeId, value, path)
        // Making what it points to may have moved the memory.
        this.#memory.view.setBigUint64(where, address, true)
        return
      }
      default: {
        if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'boolean') {
          throw new TypeError(`${path} is not a number`)
        }
        writeNumber(view, where, this.#btf.sizeOf(typeId), BigInt(value))
      }
    }
  }

  #pointer(typeId: number, value: KernelValue, path: string): bigint {
    if (value === null) return 0n
    if (typeof value === 'bigint' || typeof value === 'number') return BigInt(value)
    if (typeof value === 'string' || value instanceof Uint8Array) {
      const data = typeof value === 'string' ? new TextEncoder().encode(`${value}\0`) : value
      const region = this.#memory.region('kernel memory', path, data.length)
      this.#memory.bytes.set(data, region.base)
      return this.#memory.pointer(region)
    }
    const type = this.#btf.resolve(typeId)
    if (typeof value !== 'object' || Array.isArray(value)) throw new TypeError(`${path} is not an address`)
    if (type.kind === 'fwd') return this.make(type.name, value as { readonly [member: string]: KernelValue })
    if (type.kind !== 'struct' && type.kind !== 'union')
      throw new TypeError(`${path} does not point to a struct`)
    return this.#record(type, value as { readonly [member: string]: KernelValue }, `*${path}`)
  }
}
