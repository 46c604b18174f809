import { constants } from 'node:os'
import type { MapHandle, NativeError } from '../../types/binding.js'
import { isBytes, viewOf } from '../btf/bytes.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { explain, type Subject } from '../errors/explain.js'
import { attachableMaps, type Owner } from '../links/attachment.js'
import type { Capability } from '../machine/capabilities.js'
import { native } from '../native/binding.js'
import { mapHandles, programHandles } from '../native/handles.js'
import type { MapType } from '../native/map-types.js'
import { mapTypeNumber } from '../native/type-names.js'
import type { Program } from '../programs/program.js'
import { type RawBatch, readBatches, readBatchesAsync, readKeys } from './batches.js'
import { clear, deleteMany, getMany, setMany } from './bulk.js'
import { cidrCodec, isCidrSize } from './cidr-codec.js'
import { descriptorCodec, descriptorIn, socketCodec } from './descriptor-codec.js'
import { bytesCodec, type ElementCodec, givenCodec, perCpuCodec } from './element-codec.js'
import { type Buffers, bindBuffers, type Elements } from './elements.js'
import { innerMismatch, innerOptions, isMapOfMaps } from './inner-maps.js'
import { differences, layoutOf } from './layout.js'
import { wrongLayout } from './limits.js'
import { withCodecs, withKernelTypes } from './map-btf.js'
import { MappedArena, MappedArray, mapMemory } from './mapped-array.js'
import { sumValues } from './per-cpu.js'
import { declare, doWith, MapProperties, stateError } from './properties.js'
import { elementReason, withoutKeys } from './reasons.js'
import { BPF_F_STACK_BUILD_ID, stackCodec, stackIdCodec } from './stack-codec.js'
import {
  BPF_ANY,
  type CodecsOf,
  type InnerDeclaration,
  type InnerMap,
  type InnerMapOptions,
  type KernelTypes,
  type MapCodecs,
  type MapOptions,
  type MapTypes,
  type OpenFlags,
  type PinOptions,
} from './types.js'

// `native` has so many properties that looking one up costs time in every call.
const { mapLookup, mapUpdate, mapDelete, mapLookupAndDelete, mapNextKey } = native

const createArguments = [
  'type',
  'name',
  'keySize',
  'valueSize',
  'maxEntries',
  'flags',
  'extra',
  'numaNode',
  'innerMap',
  'ifindex',
  'btf',
  'btf.key',
  'btf.value',
  'token',
  'exclusiveHash',
]

/** Checks that callers without a type checker pass a map. @internal */
export function expectMap<M extends BpfMap<unknown, unknown>>(map: M): M {
  mapHandles.of(map)
  return map
}

/** Keys and values as bytes. */
function rawCodecs(map: BpfMap<unknown, unknown>): MapCodecs {
  return {
    key: bytesCodec('key', map.keySize) as ElementCodec,
    value: bytesCodec('value', native.mapValueBytes(mapHandles.of(map))) as ElementCodec,
  }
}

function fdOfMap(value: unknown): number {
  if (value instanceof BpfMap) return value.fd
  throw new TypeError('value is neither a BpfMap of libbpf-node nor the descriptor of a map')
}

function fdOfProgram(value: unknown): number {
  const program = value as Program
  programHandles.of(program)
  return program.fd
}

function wrongSize(what: string, codec: { size: number } | undefined, size: number): string | undefined {
  if (codec === undefined || codec.size === size) return undefined
  return `the codec of its ${what}s is for ${codec.size} bytes, but they have ${size}`
}

const perCpuTypes: readonly MapType[] = [
  'percpu_hash',
  'percpu_array',
  'lru_percpu_hash',
  'percpu_cgroup_storage',
]

/** What all views of one map (`map`, `map.raw`, `map.cidr`) share: a native handle has only one pair of buffers. */
interface Shared {
  buffers?: Buffers
  /** Entries that a drain took out of the map and did not deliver. */
  taken?: RawBatch | undefined
}

/**
 * A BPF map. It works like an ES `Map`, except that the kernel sees the keys and values, too. They have the types that
 * the object's BTF gives them. Without BTF they are bytes.
 *
 * Some types of maps have special values:
 * - per-CPU maps: an array with one element for each possible CPU;
 * - maps of maps: {@link get} opens a map, which you close, and {@link set} takes a map or its descriptor;
 * - program arrays: `set` takes a {@link Program} or its descriptor, and `get` returns the id of the program;
 * - stack traces: the key is the number that `bpf_get_stackid` returned, and the value is an array of addresses.
 *
 * @typeParam W - the type that is written, if it is not the type that is read
 */
export class BpfMap<K = Uint8Array, V = Uint8Array, W = V> extends MapProperties {
  readonly #handle: MapHandle
  readonly #owner: Owner | undefined
  readonly #codecs: CodecsOf | undefined
  #inner: InnerDeclaration | undefined
  // The next four are set when the map is first used.
  #key!: ElementCodec
  #value!: ElementCodec
  #buffers: Buffers | undefined
  #elements: Elements | undefined
  #shared: Shared = {}
  #raw: BpfMap | undefined
  #cidr: BpfMap<string, V, W> | undefined
  #codecsOfOne: MapCodecs | undefined

  /** Use {@link BpfObject.map}, or one of the static methods. @internal */
  constructor(handle: MapHandle, owner?: Owner, codecs?: CodecsOf, inner?: InnerDeclaration) {
    super(handle, owner)
    this.#handle = handle
    this.#owner = owner
    this.#codecs = codecs
    this.#inner = inner
  }

  /**
   * Creates a map that does not belong to an object. The kernel frees it when it is closed and nothing else uses it.
   * (`bpf_map_create`, Linux 3.19)
   *
   * @throws TypeError if an option has the wrong type, or a codec is not one
   */
  static create<K = Uint8Array, V = Uint8Array, W = V>(options: MapOptions<K, V>): BpfMap<K, V, W> {
    const token = typeof options.token === 'object' ? options.token.fd : (options.token ?? -1)
    return withKernelTypes(options.btf, token, (types) => BpfMap.#create(withCodecs(options), types, token))
  }

  static #create<K, V, W>(options: MapOptions<K, V>, types?: KernelTypes, token = -1): BpfMap<K, V, W> {
    const { type, name, keySize, valueSize, maxEntries } = options
    const { flags = 0, extra = 0n, numaNode = 0, ifindex = 0 } = options
    const number = mapTypeNumber(type)
    const innerFd = options.innerMap === undefined ? 0 : options.innerMap.fd
    const what = `create ${type} map '${name ?? ''}'`
    const reason = ({ errno }: NativeError) =>
      errno === constants.errno.EINVAL
        ? wrongLayout({ type, keySize, valueSize, maxEntries, flags }, name)
        : undefined
    const map = BpfMap.#open<K, V, W>(what, createArguments, { map: name, reason }, options, () =>
      native.mapCreate(
        number,
        name,
        keySize,
        valueSize,
        maxEntries,
        flags,
        extra,
        numaNode,
        innerFd,
        ifindex,
        types?.fd() ?? -1,
        types?.key ?? 0,
        types?.value ?? 0,
        token,
        options.exclusiveHash,
        options.btf !== undefined,
      ),
    )
    if (options.innerMap !== undefined) map.#inner = options.innerMap.#declaration()
    return map
  }

  /** Opens the map behind a file descriptor. The descriptor is duplicated, so you still own yours. */
  static fromFd<K = Uint8Array, V = Uint8Array, W = V>(
    fd: number,
    types: MapTypes<K, V> = {},
  ): BpfMap<K, V, W> {
    return BpfMap.#open(`open the map of fd ${fd}`, ['fd'], {}, types, () => native.mapFromFd(fd))
  }

  /** Opens a map by its id. (`bpf_map_get_fd_by_id`, Linux 4.13; requires CAP_SYS_ADMIN) */
  static fromId<K = Uint8Array, V = Uint8Array, W = V>(
    id: number,
    options: MapTypes<K, V> & OpenFlags = {},
  ): BpfMap<K, V, W> {
    return BpfMap.#fromId(`open the map with id ${id}`, id, options)
  }

  static #fromId<K, V, W>(
    what: string,
    id: number,
    { flags = 0, ...types }: MapTypes<K, V> & OpenFlags = {},
  ): BpfMap<K, V, W> {
    const open = () => native.mapFromId(id, flags)
    return BpfMap.#open(what, ['id', 'flags'], {}, types, open, 'CAP_SYS_ADMIN')
  }

  /**
   * Opens a pinned map. (`bpf_obj_get`, Linux 4.4)
   *
   * @param options - `expect`: what the map has to look like
   * @throws BpfError ERR_BPF_MISMATCH with every difference from what you expect
   */
  static fromPin<K = Uint8Array, V = Uint8Array, W = V>(
    path: string,
    options: PinOptions<K, V> = {},
  ): BpfMap<K, V, W> {
    const { flags = 0, expect = {} } = options
    const what = `open the pinned map ${path}`
    const names = ['path', 'flags']
    const map = BpfMap.#open<K, V, W>(what, names, { target: path }, options, () =>
      native.mapFromPin(path, flags),
    )
    const found = differences(layoutOf(map), expect)
    if (found.length === 0) return map
    map.close()
    throw new BpfError(`${what}: it has ${found.join(', ')}`, {
      code: 'ERR_BPF_MISMATCH',
      map: map.name,
      target: path,
    })
  }

  static #open<K, V, W>(
    what: string,
    names: readonly string[],
    about: Partial<Subject>,
    { key, value }: MapTypes<K, V>,
    open: () => MapHandle,
    capability: Capability = 'CAP_BPF',
  ): BpfMap<K, V, W> {
    const keyCodec = key === undefined ? undefined : givenCodec('key', key)
    const valueCodec = value === undefined ? undefined : givenCodec('value', value)
    const handle = attempt({ what, ...about, capabilities: () => [capability], arguments: names }, open)
    if (key === undefined && value === undefined) return new BpfMap(handle)
    const map = new BpfMap<K, V, W>(handle, undefined, (map) => {
      return {
        key: (keyCodec ?? bytesCodec('key', map.keySize)) as ElementCodec,
        value: (valueCodec ?? bytesCodec('value', map.valueSize)) as ElementCodec,
      }
    })
    const wrong = wrongSize('key', key, map.keySize) ?? wrongSize('value', value, map.valueSize)
    if (wrong === undefined) return map
    map.close()
    throw new RangeError(`${what}: ${wrong}`)
  }

  // ---- Maps of maps

  /** The declaration of the maps in a map of maps, until load. (`bpf_map__inner_map`) */
  get innerMap(): BpfMap | undefined {
    const inner = doWith(this, 'read the inner map', () => native.mapInnerMap(this.#handle))
    return inner === undefined ? undefined : new BpfMap(inner, this.#owner)
  }

  /** Declares the maps in a map of maps by an example. (`bpf_map__set_inner_map_fd`) */
  setInnerMap(map: BpfMap<unknown, unknown>): void {
    declare(this, 'set the inner map', () => native.mapSetInnerMapFd(this.#handle, map.fd))
    this.#inner = map.#declaration()
  }

  /**
   * Creates a map that this map of maps can hold, with the type and sizes of the declaration or the example. You close
   * it.
   *
   * @throws BpfError ERR_BPF_STATE if there is no declaration, because the map of maps was opened by id, pin or
   * descriptor
   */
  createInner(options: InnerMapOptions = {}): InnerMap<V> {
    if (this.#inner === undefined) throw stateError(this, 'has no declaration of its inner maps')
    const made = BpfMap.#create(innerOptions(this.#inner, options), this.#inner.btf)
    const { codecs } = this.#inner
    return (codecs === undefined ? made : new BpfMap(made.#handle, undefined, codecs)) as InnerMap<V>
  }

  #declaration(): InnerDeclaration {
    const owner = this.#owner
    const btf = owner && { fd: owner.btfFd, key: this.btfKeyTypeId, value: this.btfValueTypeId }
    return { layout: layoutOf(this), codecs: this.#codecs, btf }
  }

  // ---- Views

  /**
   * The same map with keys and values as bytes. A per-CPU value is the values of all CPUs in a row, each padded to 8
   * bytes.
   */
  get raw(): BpfMap {
    this.#raw ??= this.#view<Uint8Array, Uint8Array, Uint8Array>('use its bytes', rawCodecs)
    return this.#raw
  }

  /**
   * The same LPM trie with text as keys: `10.1.0.0/16`, `2001:db8::/32`. An address without a length is a host. Keys
   * that you read always have a length: `10.1.2.3/32`. The type that the key has in BTF does not matter: it is read as
   * a `__u32` length followed by the 4 or 16 bytes of the address.
   *
   * `get` finds the longest network that contains the key.
   *
   * @throws TypeError if the map is not an LPM trie, or its keys have neither 8 nor 20 bytes
   */
  get cidr(): BpfMap<string, V, W> {
    if (this.#cidr === undefined) {
      const { type, keySize } = this
      if (type !== 'lpm_trie' || !isCidrSize(keySize)) {
        throw new TypeError(
          `map '${this.name}' cannot have networks as keys: it has type ${type} with keys of ${keySize} bytes, and cidr requires an lpm_trie with keys of 8 or 20`,
        )
      }
      const codecs = this.#codecs ?? rawCodecs
      this.#cidr = this.#view<string, V, W>('use its networks', (map) => ({
        ...codecs(map),
        key: cidrCodec(keySize) as ElementCodec,
      }))
    }
    return this.#cidr
  }

  #view<VK, VV, VW>(what: string, codecs: CodecsOf): BpfMap<VK, VV, VW> {
    return doWith(this, what, () => {
      const view = new BpfMap<VK, VV, VW>(this.#handle, this.#owner, codecs, this.#inner)
      view.#shared = this.#shared
      return view
    })
  }

  // ---- Entries

  /** The value of a key, or `undefined` if the key does not exist. (`bpf_map_lookup_elem`) */
  get(key: K, { flags = 0 }: { flags?: number } = {}): V | undefined {
    const buffers = this.#buffers ?? this.#bind()
    this.#encode(buffers, key)
    let found: boolean
    try {
      found = (flags === 0 ? mapLookup(this.#handle) : mapLookup(this.#handle, flags)) !== false
    } catch (error) {
      throw this.#explain(error, 'get')
    }
    return found ? (this.#value.decode(buffers.valueView, 0) as V) : undefined
  }

  /**
   * Sets the value of a key. (`bpf_map_update_elem`)
   *
   * @param options - `flags`: {@link BPF_ANY}, {@link BPF_NOEXIST} or {@link BPF_EXIST}, combined with {@link
   * BPF_F_LOCK}
   * @throws BpfError EEXIST or ENOENT depending on the flags; E2BIG if the map is full
   */
  set(key: K, value: W, { flags = BPF_ANY }: { flags?: number } = {}): this {
    const buffers = this.#buffers ?? this.#bind()
    this.#encode(buffers, key, true, value)
    try {
      flags === 0 ? mapUpdate(this.#handle) : mapUpdate(this.#handle, flags)
    } catch (error) {
      throw this.#explain(error, 'set')
    }
    return this
  }

  /** Whether the key exists. This costs a look-up, like `get`. (`bpf_map_lookup_elem`) */
  has(key: K): boolean {
    const buffers = this.#buffers ?? this.#bind()
    this.#encode(buffers, key)
    try {
      return mapLookup(this.#handle) !== false
    } catch (error) {
      throw this.#explain(error, 'has')
    }
  }

  /**
   * Deletes a key, and returns whether it existed. Entries of arrays cannot be deleted: EINVAL. (`bpf_map_delete_elem`)
   */
  delete(key: K): boolean {
    const buffers = this.#buffers ?? this.#bind()
    this.#encode(buffers, key)
    try {
      return mapDelete(this.#handle) !== false
    } catch (error) {
      throw this.#explain(error, 'delete')
    }
  }

  /**
   * Deletes a key and returns its value. For queues and stacks the key is `undefined`.
   * (`bpf_map_lookup_and_delete_elem`; queues and stacks since Linux 4.20, hash tables since 5.14)
   */
  lookupAndDelete(key: K, { flags = 0 }: { flags?: number } = {}): V | undefined {
    const buffers = this.#buffers ?? this.#bind()
    this.#encode(buffers, key)
    let found: boolean
    try {
      found = mapLookupAndDelete(this.#handle, flags) !== false
    } catch (error) {
      throw this.#explain(error, 'lookupAndDelete')
    }
    return found ? (this.#value.decode(buffers.valueView, 0) as V) : undefined
  }

  /**
   * The key after another one, or the first key; `undefined` after the last one. If the other key does not exist, most
   * types return their first key. (`bpf_map_get_next_key`)
   */
  nextKey(key?: K): K | undefined {
    const buffers = this.#buffers ?? this.#bind()
    if (buffers.key.length === 0) throw this.#keylessError()
    if (key === undefined) buffers.turn++
    else this.#encode(buffers, key)
    let found: boolean
    try {
      found = mapNextKey(this.#handle, key === undefined) !== false
    } catch (error) {
      throw this.#explain(error, 'nextKey')
    }
    return found ? (this.#key.decode(buffers.keyView, 0) as K) : undefined
  }

  /**
   * The keys, in the kernel's order, each once. You may delete entries while you iterate. Keys that are set or deleted
   * during the iteration may or may not be returned.
   *
   * Small hash tables and arrays are read like {@link entries}. For other maps, all keys are read before the first one
   * is returned.
   *
   * @throws BpfError ERR_BPF_ITERATION if other processes delete so much that the walk starts over again and again
   */
  *keys(): Generator<K, undefined> {
    const elements = this.#entriesOf()
    const { key } = elements.buffers.sizes
    for (const { count, keys } of readKeys(elements)) {
      const view = viewOf(keys)
      for (let i = 0; i < count; i++) yield this.#key.decode(view, i * key) as K
    }
  }

  /**
   * The entries, in the kernel's order, each once. They are read in batches of at most 4096 entries and 4 MiB. You may
   * delete entries while you iterate. Entries that are set or deleted during the iteration may or may not be returned.
   * (`bpf_map_lookup_batch`, Linux 5.6; one by one if the kernel or the map type has no batches)
   *
   * @throws BpfError ENOTSUP for maps without keys, such as queues: use {@link lookupAndDelete}
   */
  *entries(): Generator<[K, V], undefined> {
    for (const batch of readBatches(this.#entriesOf(), false)) yield* this.#decodeBatch(batch)
  }

  [Symbol.iterator](): Generator<[K, V], undefined> {
    return this.entries()
  }

  /** The values, read like {@link entries}. */
  *values(): Generator<V, undefined> {
    for (const [, value] of this.entries()) yield value
  }

  /** Calls a function for each entry, see {@link entries}. */
  forEach(callback: (value: V, key: K, map: this) => void): void {
    for (const [key, value] of this) callback(value, key, this)
  }

  /** The number of entries. The kernel does not store it, so all entries are read and counted. */
  get size(): number {
    let size = 0
    for (const { count } of readBatches(this.#entriesOf(), false)) size += count
    return size
  }

  /**
   * The entries like {@link entries}, but read on libuv's thread pool, so that the event loop is not blocked. If the
   * kernel or the map type has no batches, the event loop gets a turn after every few entries.
   *
   * @param options - `size`: the number of entries in a batch; by default at most 4096, and 4 MiB
   * @throws RangeError if there is no memory for a batch
   */
  async *entriesAsync({ size }: { size?: number } = {}): AsyncGenerator<[K, V], undefined> {
    for await (const batch of readBatchesAsync(this.#entriesOf(), size)) yield* this.#decodeBatch(batch)
  }

  /** The same as {@link entriesAsync}, for `for await (const [key, value] of map)`. */
  [Symbol.asyncIterator](): AsyncGenerator<[K, V], undefined> {
    return this.entriesAsync()
  }

  /**
   * The entries as bytes, in batches: `keys` and `values` hold `count` of them, one after the other. The next batch
   * overwrites them.
   *
   * @param options - `size`: the number of entries in a batch; by default at most 4096, and 4 MiB. A batch of a hash
   * table has more if one of its buckets has more
   * @throws RangeError if there is no memory for a batch
   */
  *batches({ size }: { size?: number } = {}): Generator<RawBatch, undefined> {
    yield* readBatches(this.#entriesOf(), false, size)
  }

  /**
   * Takes all entries out of a hash table. No update is lost between reading and deleting an entry, as it could be with
   * {@link entries} and {@link clear}. The entries are taken in batches. If you stop early, or an entry cannot be
   * decoded, the next `drain` of this object delivers the rest of the batch first.
   * (`bpf_map_lookup_and_delete_batch`, Linux 5.6; otherwise `bpf_map_lookup_and_delete_elem`, Linux 5.14 for hash
   * tables)
   */
  *drain(): Generator<[K, V], undefined> {
    const elements = this.#entriesOf()
    const { taken } = this.#shared
    this.#shared.taken = undefined
    if (taken !== undefined) yield* this.#deliver(taken)
    for (const batch of readBatches(elements, true)) yield* this.#deliver(batch)
  }

  /** Decodes entries that are no longer in the map, and keeps those that the caller does not take. */
  *#deliver({ count, keys, values }: RawBatch): Generator<[K, V], undefined> {
    const { sizes } = this.#buffers!
    const keyView = viewOf(keys)
    const valueView = viewOf(values)
    let next = 0
    try {
      while (next < count) {
        const i = next++
        yield [
          this.#key.decode(keyView, i * sizes.key) as K,
          this.#value.decode(valueView, i * sizes.value) as V,
        ]
      }
    } finally {
      if (next < count) {
        this.#shared.taken = {
          count: count - next,
          keys: keys.subarray(next * sizes.key),
          values: values.subarray(next * sizes.value),
        }
      }
    }
  }

  /**
   * The values of several keys, in the same order; `undefined` for keys that do not exist. This makes one system call
   * for each key, because the kernel has no batch operation for it.
   */
  getMany(keys: Iterable<K>): (V | undefined)[] {
    return getMany(this.#elementsOf(), keys) as (V | undefined)[]
  }

  /**
   * Sets several entries with few system calls. If it throws, the entries before the one that failed are set.
   * (`bpf_map_update_batch`, Linux 5.6; otherwise one by one)
   *
   * Entries that contain descriptors, such as those of maps of maps, are set one by one: you can close a map as soon as
   * your iterator is asked for the next entry.
   *
   * @param options - `flags`: as for {@link set}
   */
  setMany(entries: Iterable<readonly [K, W]>, { flags = BPF_ANY }: { flags?: number } = {}): this {
    setMany(this.#elementsOf(), entries, flags)
    return this
  }

  /**
   * Deletes several keys with few system calls. If it throws, the keys before the one that failed are deleted.
   * (`bpf_map_delete_batch`, Linux 5.6; otherwise one by one)
   *
   * @returns how many of them existed
   */
  deleteMany(keys: Iterable<K>): number {
    return deleteMany(this.#elementsOf(), keys)
  }

  /**
   * Deletes all entries that exist when it is called. Entries that are added in the meantime may be deleted, too.
   * Entries of arrays cannot be deleted: EINVAL.
   */
  clear(): void {
    clear(this.#entriesOf())
  }

  /**
   * The sum of a per-CPU value over all possible CPUs, including those that are offline; `undefined` if the key does
   * not exist. {@link sumValues} describes how structs are added.
   *
   * @throws BpfError ENOTSUP if it is not a per-CPU map, or its values have no type
   */
  sum<T>(this: BpfMap<K, T[]>, key: K): T | undefined {
    if (!perCpuTypes.includes(this.type)) throw stateError(this, 'is not a per-CPU map', 'ENOTSUP')
    const values = this.get(key)
    if (isBytes(values)) throw stateError(this, 'has values without a type, which cannot be added', 'ENOTSUP')
    return values === undefined ? undefined : sumValues(values)
  }

  // ---- Mapped memory

  /**
   * Maps the values of an array with `BPF_F_MMAPABLE` into memory, so that you can read and write them without system
   * calls. You close the result. It stays usable when the map is closed. (`mmap`, Linux 5.5)
   *
   * @param options - `writable`: true by default; a frozen map can only be mapped for reading
   * @throws BpfError ENOTSUP for other maps, EPERM for a frozen map
   */
  mmap({ writable = true }: { writable?: boolean } = {}): MappedArray<V> {
    const { sizes } = this.#buffers ?? this.#bind()
    const memory = mapMemory(this, writable)
    const { plan, littleEndian = true } = this.#codecsOfOne!
    const { name, maxEntries } = this
    return new MappedArray<V>(memory, {
      name,
      maxEntries,
      valueSize: sizes.value,
      value: this.#value,
      plan: plan ?? (() => ({ op: 'bytes', length: sizes.value, flexible: false })),
      littleEndian,
    })
  }

  /**
   * Maps the memory of an arena, to read and write it by offset. Pages are allocated when they are first touched. An
   * arena can be mapped only once, and libbpf maps the arenas of objects when it loads them. (`mmap`, Linux 6.9)
   *
   * @throws BpfError ENOTSUP if the map is not an arena
   */
  mmapArena(): MappedArena {
    if (this.type !== 'arena') throw stateError(this, 'is not an arena', 'ENOTSUP')
    this.fd
    const memory = mapMemory(this, true)
    return new MappedArena(memory, this.name, native.memorySize(memory), native.memoryAddress(memory))
  }

  // ---- Internals

  *#decodeBatch({ count, keys, values }: RawBatch): Generator<[K, V], undefined> {
    const { sizes } = this.#buffers!
    const keyView = viewOf(keys)
    const valueView = viewOf(values)
    for (let i = 0; i < count; i++) {
      yield [
        this.#key.decode(keyView, i * sizes.key) as K,
        this.#value.decode(valueView, i * sizes.value) as V,
      ]
    }
  }

  /** Writes a key, and a value, into the buffers that native code reads. */
  #encode(buffers: Buffers, key: K, hasValue = false, value?: W): void {
    const turn = ++buffers.turn
    this.#key.encode(key, buffers.keyView, 0)
    if (hasValue) this.#value.encode(value, buffers.valueView, 0)
    // A getter in the key or value has used the map, and so overwritten the buffers.
    if (buffers.turn !== turn)
      throw stateError(this, 'is in use: a getter in the key or value used the same map', 'ERR_BPF_BUSY')
  }

  #elementsOf(): Elements {
    if (this.#elements === undefined) this.#bind()
    return this.#elements!
  }

  /** For everything that walks from key to key. */
  #entriesOf(): Elements {
    const elements = this.#elementsOf()
    if (elements.buffers.sizes.key === 0) throw this.#keylessError()
    return elements
  }

  #bind(): Buffers {
    this.fd
    return doWith(this, 'prepare its buffers', () => {
      const codecs = (this.#codecs ?? rawCodecs)(this)
      this.#shared.buffers ??= bindBuffers(this.#handle)
      const buffers = this.#shared.buffers
      this.#codecsOfOne = codecs
      this.#key = this.#holdsStacks ? stackIdCodec : codecs.key
      this.#value = this.#valueCodec(codecs.value, buffers.sizes.value)
      this.#buffers = buffers
      this.#elements = {
        handle: this.#handle,
        type: this.type,
        maxEntries: this.maxEntries,
        buffers,
        key: this.#key,
        value: this.#value,
        explain: (error, what) => this.#explain(error, what),
      }
      return buffers
    })
  }

  /** Some types of maps have values that BTF does not describe. */
  #valueCodec(one: ElementCodec, valueBytes: number): ElementCodec {
    if (this.#codecs === rawCodecs) return one
    const { type } = this
    if (isMapOfMaps(type)) return descriptorCodec(fdOfMap, (id) => this.#openInner(id))
    if (this.#holdsStacks) return stackCodec(valueBytes)
    if (type === 'prog_array') return descriptorCodec(fdOfProgram, (id) => id)
    if (type === 'xskmap') return socketCodec(one)
    // Without types, a value is the bytes of all CPUs.
    const isPerCpu = perCpuTypes.includes(type) && this.#codecs !== undefined
    return isPerCpu ? (perCpuCodec(one, valueBytes) as ElementCodec) : one
  }

  /** Whether the values are addresses. They are usually declared without a type. */
  get #holdsStacks(): boolean {
    if (this.#codecs === rawCodecs || this.type !== 'stack_trace') return false
    return (this.flags & BPF_F_STACK_BUILD_ID) === 0
  }

  #openInner(id: number): BpfMap<unknown, unknown> {
    const what = `map '${this.name}': open the map with id ${id} that is in it`
    const map = BpfMap.#fromId<unknown, unknown, unknown>(what, id)
    return this.#inner?.codecs === undefined ? map : new BpfMap(map.#handle, undefined, this.#inner.codecs)
  }

  #explain(error: unknown, what: string): unknown {
    return explain(error, {
      ...attachableMaps.of(this).subject,
      what: `map '${this.name}': ${what}`,
      arguments: ['map', 'flags', 'a batch'],
      reason: (error) => this.#reason(error, what),
    })
  }

  #reason(error: NativeError, what: string): string | undefined {
    const isSet = what === 'set' || what === 'setMany'
    if (
      isSet &&
      error.errno === constants.errno.EINVAL &&
      this.#inner !== undefined &&
      isMapOfMaps(this.type)
    )
      return innerMismatch(descriptorIn(this.#buffers!.valueView), this.#inner)
    return elementReason(error, this)
  }

  #keylessError(): BpfError {
    return stateError(this, withoutKeys(this.type), 'ENOTSUP')
  }
}
