// What a random program computes on when it is evaluated: global variables, maps, the packet, and the variables of a function.
import type { Ref } from './types.js'

export interface TableKind {
  readonly name: string
  readonly word: 'hash' | 'array' | 'percpuHash' | 'percpuArray' | 'queue' | 'stack'
  readonly max: number
}

const keyOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** A map of the kernel, as one CPU sees it. */
export class Table {
  readonly entries = new Map<string, Uint8Array>()
  readonly list: Uint8Array[] = []
  readonly kind: TableKind

  constructor(kind: TableKind, valueSize: number) {
    this.kind = kind
    if (!this.isArray) return
    for (let i = 0; i < kind.max; i++)
      this.entries.set(keyOf(new Uint8Array(Uint32Array.of(i).buffer)), new Uint8Array(valueSize))
  }

  get isArray(): boolean {
    return this.kind.word === 'array' || this.kind.word === 'percpuArray'
  }

  get(key: Uint8Array): Ref | undefined {
    const bytes = this.entries.get(keyOf(key))
    return bytes && { bytes, at: 0 }
  }

  set(key: Uint8Array, value: Uint8Array, when: 'any' | 'new' | 'there' = 'any'): boolean {
    const known = this.entries.get(keyOf(key))
    if (known !== undefined) {
      if (when === 'new') return false
      known.set(value)
      return true
    }
    if (when === 'there' || this.isArray || this.entries.size >= this.kind.max) return false
    this.entries.set(keyOf(key), value)
    return true
  }

  delete(key: Uint8Array): boolean {
    return !this.isArray && this.entries.delete(keyOf(key))
  }

  push(value: Uint8Array): boolean {
    if (this.list.length >= this.kind.max) return false
    this.list.push(value)
    return true
  }

  take(stays: boolean): Ref | undefined {
    const at = this.kind.word === 'queue' ? 0 : this.list.length - 1
    const bytes = stays ? this.list[at]?.slice() : this.list.splice(at, 1)[0]
    return bytes && { bytes, at: 0 }
  }
}

/** Bytes of a ring buffer. */
export const ringSize = 4096

/** A ring buffer that nobody reads before the program ends. */
export class Ring {
  readonly records: Uint8Array[] = []
  #used = 0

  /** Whether there is room. The record stands where it was reserved, whenever it is filled. */
  reserve(record: Uint8Array): boolean {
    const size = Math.ceil((8 + record.length) / 8) * 8
    if (this.#used + size > ringSize - 1) return false
    this.#used += size
    this.records.push(record)
    return true
  }

  /** What is discarded takes room, too. */
  discard(record: Uint8Array): void {
    this.records.splice(this.records.indexOf(record), 1)
  }
}

export interface World {
  readonly rings: ReadonlyMap<string, Ring>
  /** Lines of the trace, and undefined for one that is not known. */
  readonly printed: (string | undefined)[]
  readonly globals: ReadonlyMap<string, Uint8Array>
  readonly tables: ReadonlyMap<string, Table>
  readonly packet: Uint8Array
}

/** A function that is being evaluated. Each variable has a number of its own, since names are used again. */
export class Frame {
  readonly world: World
  /** A pointer that is null has no place. */
  readonly variables = new Map<number, Ref | undefined>()

  constructor(world: World) {
    this.world = world
  }
}
