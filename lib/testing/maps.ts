// Maps of an emulated machine. Their values are in its memory, so that programs reach them by pointers as in the
// kernel.

import type { ObjectMap } from '../asm/object-reader.js'
import { viewOf } from '../btf/bytes.js'
import { type MapType, mapTypes } from '../native/map-types.js'
import { errno } from './errno.js'
import type { Memory, Region } from './memory.js'

const { EEXIST, ENOENT, E2BIG, EINVAL } = errno

/** Flags of updates. */
const BPF_NOEXIST = 1
const BPF_EXIST = 2

interface Entry {
  readonly key: Uint8Array
  /** Where the value is in the linear memory; in a per-CPU map, that of the first CPU. */
  readonly base: number
  /** The region for each CPU, once a program has looked it up. */
  readonly regions: (Region | undefined)[]
}

/** A map of a machine. Errors are negative errno values, as programs see them. */
export class EmulatedMap {
  readonly name: string
  readonly type: MapType
  readonly keySize: number
  readonly valueSize: number
  readonly maxEntries: number
  readonly declaration: ObjectMap
  /** What a program gets when it loads the address of the map. */
  readonly region: Region
  readonly cpus: number
  /** In the order of insertion, or of use for LRU maps. */
  readonly #entries = new Map<string, Entry>()
  readonly #memory: Memory
  readonly #freeValues: number[] = []
  /** The elements of a queue or stack. */
  readonly queue: Uint8Array[] = []
  /** The maps in a map of maps, by the bytes of the key. */
  readonly innerMaps: Map<string, EmulatedMap> | undefined
  /** The functions in a program array, by slot. */
  readonly programs: Map<number, number> | undefined

  constructor(memory: Memory, declaration: ObjectMap, cpus: number) {
    this.#memory = memory
    this.declaration = declaration
    this.name = declaration.name
    const type = mapTypes[declaration.type]
    if (type === undefined)
      throw new RangeError(`map '${this.name}' has the unknown type ${declaration.type}`)
    this.type = type
    this.keySize = declaration.keySize
    this.valueSize = declaration.valueSize
    this.maxEntries = declaration.maxEntries
    this.cpus = this.isPerCpu ? cpus : 1
    this.region = memory.region('map', `map '${this.name}'`, 0)
    if (this.isArray) this.#fill()
    if (type === 'array_of_maps' || type === 'hash_of_maps') this.innerMaps = new Map()
    if (type === 'prog_array') this.programs = new Map()
  }

  get isPerCpu(): boolean {
    return this.type.includes('percpu')
  }

  /** Whether its keys are indexes that all exist from the beginning. */
  get isArray(): boolean {
    return this.type === 'array' || this.type === 'percpu_array'
  }

  get size(): number {
    return this.#entries.size
  }

  get #stride(): number {
    return Math.ceil(this.valueSize / 8) * 8
  }

  #fill(): void {
    const start = this.#memory.allocate(this.#stride * this.cpus * this.maxEntries)
    for (let i = 0; i < this.maxEntries; i++) {
      const key = new Uint8Array(Uint32Array.of(i).buffer)
      this.#entries.set(keyText(key), { key, base: start + i * this.#stride * this.cpus, regions: [] })
    }
  }

  /** A pointer to a value, or 0 if the key does not exist. */
  lookup(key: Uint8Array, cpu: number): bigint {
    const entry = this.#find(key)
    if (entry === undefined) return 0n
    if (this.type.startsWith('lru')) this.#touch(entry)
    return this.#pointer(entry, this.isPerCpu ? cpu : 0)
  }

  #pointer(entry: Entry, cpu: number): bigint {
    const base = entry.base + cpu * this.#stride
    entry.regions[cpu] ??= this.#memory.region('map value', `a value of map '${this.name}'`, this.valueSize, {
      base,
    })
    return this.#memory.pointer(entry.regions[cpu]!)
  }

  #find(key: Uint8Array): Entry | undefined {
    if (this.type !== 'lpm_trie') return this.#entries.get(keyText(key))
    const longest = prefixLength(key)
    for (let length = longest; length >= 0; length--) {
      const entry = this.#entries.get(keyText(prefix(key, length)))
      if (entry !== undefined) return entry
    }
    return undefined
  }

  #touch(entry: Entry): void {
    const key = keyText(entry.key)
    this.#entries.delete(key)
    this.#entries.set(key, entry)
  }

  /** Sets a value on one CPU, or on all. Returns 0 or an error. */
  update(key: Uint8Array, value: Uint8Array, flags: number, cpu?: number): number {
    if (this.type === 'lpm_trie') {
      if (prefixLength(key) > (this.keySize - 4) * 8) return -EINVAL
      key = prefix(key, prefixLength(key))
    }
    const text = keyText(key)
    let entry = this.#entries.get(text)
    if (this.isArray && entry === undefined) return -E2BIG
    if ((flags & 3) === BPF_NOEXIST && entry !== undefined) return -EEXIST
    if ((flags & 3) === BPF_EXIST && entry === undefined) return -ENOENT
    if (entry === undefined) {
      if (this.#entries.size >= this.maxEntries) {
        if (!this.type.startsWith('lru')) return -E2BIG
        this.delete(this.#entries.values().next().value!.key)
      }
      entry = { key: key.slice(), base: this.#takeValue(), regions: [] }
      this.#entries.set(text, entry)
    }
    const { bytes } = this.#memory
    for (let i = 0; i < this.cpus; i++) {
      if (cpu === undefined || i === cpu || !this.isPerCpu) bytes.set(value, entry.base + i * this.#stride)
    }
    return 0
  }

  #takeValue(): number {
    const base = this.#freeValues.pop() ?? this.#memory.allocate(this.#stride * this.cpus)
    this.#memory.bytes.fill(0, base, base + this.#stride * this.cpus)
    return base
  }

  delete(key: Uint8Array): number {
    if (this.isArray) return -EINVAL
    const exact = this.type === 'lpm_trie' ? prefix(key, prefixLength(key)) : key
    const entry = this.#entries.get(keyText(exact))
    if (entry === undefined) return -ENOENT
    this.#entries.delete(keyText(exact))
    // A program that still has a pointer may use it to its end, as under RCU. So the memory is not reused for another
    // key.
    if (entry.regions.length === 0) this.#freeValues.push(entry.base)
    return 0
  }

  /** Copies of all entries, with a value for each CPU. */
  *entries(): Generator<{ key: Uint8Array; values: Uint8Array[] }> {
    for (const entry of [...this.#entries.values()]) yield { key: entry.key, values: this.#values(entry) }
  }

  /** A copy of the value for each CPU. */
  get(key: Uint8Array): Uint8Array[] | undefined {
    const entry = this.#find(key)
    return entry && this.#values(entry)
  }

  #values({ base }: Entry): Uint8Array[] {
    return Array.from({ length: this.cpus }, (_, cpu) => {
      const at = base + cpu * this.#stride
      return this.#memory.bytes.slice(at, at + this.valueSize)
    })
  }

  /** The key whose value is at a place in the linear memory. */
  keyOfValue(base: number): Uint8Array | undefined {
    for (const entry of this.#entries.values()) {
      if (base >= entry.base && base < entry.base + this.#stride * this.cpus) return entry.key
    }
    return undefined
  }

  /** For bpf_for_each_map_elem: pointers to a key and a value. */
  *pointers(cpu: number): Generator<{ key: Uint8Array; value: bigint }> {
    for (const entry of [...this.#entries.values()]) {
      if (this.#entries.get(keyText(entry.key)) === entry) {
        yield { key: entry.key, value: this.#pointer(entry, this.isPerCpu ? cpu : 0) }
      }
    }
  }
}

/** A key as the name of a property: a character for each byte. */
export const keyText = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

function prefixLength(key: Uint8Array): number {
  return viewOf(key).getUint32(0, true)
}

/** The key with only the first bits, and their number. */
function prefix(key: Uint8Array, length: number): Uint8Array {
  const cut = key.slice()
  new DataView(cut.buffer).setUint32(0, length, true)
  for (let i = 4; i < cut.length; i++) {
    const bits = Math.max(0, Math.min(8, length - (i - 4) * 8))
    cut[i]! &= 0xff00 >> bits
  }
  return cut
}
