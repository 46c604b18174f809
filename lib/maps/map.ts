import { constants } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import type { MapHandle, MemoryHandle } from '../../types/binding.js'
import { isBytes } from '../btf/bytes.js'
import type { Codec } from '../btf/codec.js'
import type { Plan } from '../btf/plan.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { explain, type Subject } from '../errors/explain.js'
import { attachableMaps, type LinkSubject, type Owner } from '../links/attachment.js'
import { Link } from '../links/link.js'
import type { Capability } from '../machine/capabilities.js'
import { native } from '../native/binding.js'
import { mapHandles, programHandles } from '../native/handles.js'
import { type MapType, mapTypeName, mapTypeNumber } from '../native/type-names.js'
import type { Program } from '../programs/program.js'
import {
  asyncBatches,
  type BatchSizes,
  deleteBatch,
  knowsNoBatches,
  type RawBatch,
  rawBatches,
} from './bulk.js'
import { cidrCodec, isCidrSize } from './cidr-codec.js'
import { descriptorCodec, descriptorIn } from './descriptor-codec.js'
import { bytesCodec, type ElementCodec, perCpuCodec } from './element-codec.js'
import { kernelFacts } from './fdinfo.js'
import { innerMismatch } from './inner-maps.js'
import { differences, layoutOf, type MapLayout } from './layout.js'
import { MappedArena, MappedArray, mmapReasons } from './mapped-array.js'
import { sumValues } from './per-cpu.js'
import { BPF_F_STACK_BUILD_ID, stackCodec, stackIdCodec } from './stack-codec.js'

// An object with as many properties as `native` is looked up in at each call.
const { mapLookup, mapUpdate, mapDelete, mapLookupAndDelete, mapNextKey } = native

/** How many entries go into a batch. */
const defaultBatch = 4096
/** Nor more than so many bytes. */
const batchBytes = 4 << 20
/** How many entries are read one by one before the event loop has its turn. */
const walkedInTurn = 256

/** Flags for {@link BpfMap.set}, the kernel's. */
export const BPF_ANY = 0
/** The key must not be there yet: EEXIST. */
export const BPF_NOEXIST = 1
/** The key must be there: ENOENT. */
export const BPF_EXIST = 2
/** Holds the value's `bpf_spin_lock` meanwhile; for `get` and `set`. (Linux 5.1) */
export const BPF_F_LOCK = 4

/** What the kernel says of a map. */
export interface MapInfo {
  type: MapType
  id: number
  /** At most 15 characters: the kernel keeps no more. */
  name: string
  keySize: number
  valueSize: number
  maxEntries: number
  flags: number
  ifindex: number
  btfId: number
  btfKeyTypeId: number
  btfValueTypeId: number
  /** Of a struct_ops map, its type in the kernel's BTF; else 0. */
  btfVmlinuxValueTypeId: number
  /** The network namespace of an offloaded map; else 0. */
  netnsDev: bigint
  netnsIno: bigint
  extra: bigint
}

/** What keys and values are, for maps that come without an object; what is left out is bytes. */
export interface MapTypes<K, V> {
  key?: Codec<K>
  /** Of a per-CPU map, of one CPU's value. */
  value?: Codec<V>
}

export interface MapOptions<K = Uint8Array, V = Uint8Array> extends MapTypes<K, V> {
  type: MapType
  /** At most 15 characters are kept by the kernel. */
  name?: string
  /** Bytes. */
  keySize: number
  /** Bytes; of a per-CPU map, for one CPU. */
  valueSize: number
  maxEntries: number
  /** `BPF_F_*` of linux/bpf.h. */
  flags?: number
  extra?: bigint
  numaNode?: number
  /** For maps of maps: a map like those that it will hold. */
  innerMap?: BpfMap<unknown, unknown>
  ifindex?: number
}

/** What a pinned map has to be like; what is left out may be anything. */
export interface PinOptions<K = Uint8Array, V = Uint8Array> extends MapTypes<K, V> {
  /** BPF_F_RDONLY (8), BPF_F_WRONLY (16). */
  flags?: number
  expect?: Partial<MapLayout>
}

/** A map for a map of maps: as declared, but for these. */
export interface InnerMapOptions {
  name?: string
  /** Of an array it may differ only with {@link BPF_F_INNER_MAP}. */
  maxEntries?: number
  flags?: number
  numaNode?: number
}

/** What the maps in a map of maps are, by the type of its values. */
export type InnerMap<V> = V extends BpfMap<infer IK, infer IV> ? BpfMap<IK, IV> : BpfMap

/** How keys and values are turned into bytes and back. @internal */
export interface MapCodecs {
  key: ElementCodec
  /** Of one CPU's value, for per-CPU maps. */
  value: ElementCodec
  /** The layout that `value` reads and writes, where there is a type. */
  plan?: () => Plan
  littleEndian?: boolean
}

type CodecsOf = (map: BpfMap<unknown, unknown>) => MapCodecs

/** What the maps in a map of maps are like. @internal */
export interface InnerDeclaration {
  readonly layout: MapLayout
  readonly codecs: CodecsOf | undefined
  readonly btf: KernelTypes | undefined
}

/** Where the kernel finds the types of keys and values: it has to know those with locks, timers and their like. */
interface KernelTypes {
  /** After load; negative where it has none. */
  fd(): number
  key: number
  value: number
}

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
]

/** A map of ours, which the type checker may not have looked at. @internal */
export function expectMap<M extends BpfMap<unknown, unknown>>(map: M): M {
  mapHandles.of(map)
  return map
}

/** The type, sizes and flags that a map is declared with. @internal */
export function declaredLayout(handle: MapHandle): MapLayout {
  return {
    type: mapTypeName(native.mapType(handle)),
    keySize: native.mapKeySize(handle),
    valueSize: native.mapValueSize(handle),
    maxEntries: native.mapMaxEntries(handle),
    flags: native.mapFlags(handle),
    extra: native.mapExtra(handle),
  }
}

/** Keys and values as they are. */
function rawCodecs(map: BpfMap<unknown, unknown>): MapCodecs {
  return {
    key: bytesCodec('key', map.keySize) as ElementCodec,
    value: bytesCodec('value', native.mapValueBytes(mapHandles.of(map))) as ElementCodec,
  }
}

function fdOfMap(value: unknown): number {
  if (value instanceof BpfMap) return value.fd
  throw new TypeError('value is neither a BpfMap of libbpf-node nor a descriptor of a map')
}

function fdOfProgram(value: unknown): number {
  const program = value as Program
  programHandles.of(program)
  return program.fd
}

function wrongSize(what: string, codec: { size: number } | undefined, size: number): string | undefined {
  if (codec === undefined || codec.size === size) return undefined
  return `the codec of its ${what}s is for ${codec.size} bytes, they have ${size}`
}

const mapsOfMaps: readonly string[] = ['array_of_maps', 'hash_of_maps']

const perCpuTypes: readonly string[] = [
  'percpu_hash',
  'percpu_array',
  'lru_percpu_hash',
  'percpu_cgroup_storage',
]

/** The buffers that native code reads keys and values from, see mapBind in types/binding.d.ts. Nobody else may see them. */
interface Buffers {
  sizes: BatchSizes
  keyView: DataView
  valueView: DataView
  keyBytes: Uint8Array
  /** How often they were written to. */
  turn: number
}

/** A native handle has one pair of buffers, whichever view of the map is used. */
interface Shared {
  buffers?: Buffers
}

/**
 * A map. It feels like an ES `Map` whose keys and values the kernel sees, too: typed by BTF where the object carries it, else bytes.
 *
 * The values of per-CPU maps are arrays with one element for each possible CPU. Those of maps of maps are maps: {@link get} opens one, which the caller
 * closes, and {@link set} takes one or its descriptor. A program array is set to a {@link Program} or its descriptor, and read as the program's id. Of stack traces the keys are the numbers that `bpf_get_stackid` returns, and the values arrays of addresses.
 *
 * @typeParam W - what is written, where that is not what is read
 */
export class BpfMap<K = Uint8Array, V = Uint8Array, W = V> implements Disposable {
  readonly #handle: MapHandle
  readonly #owner: Owner | undefined
  readonly #codecs: CodecsOf | undefined
  #inner: InnerDeclaration | undefined
  #key!: ElementCodec
  #value!: ElementCodec
  /** Set when the codecs are. */
  #buffers: Buffers | undefined
  #shared: Shared = {}
  #raw: BpfMap | undefined
  #cidr: BpfMap<string, V, W> | undefined
  #codecsOfOne: MapCodecs | undefined
  readonly name: string

  static {
    mapHandles.register((map) => (#handle in map ? map.#handle : undefined))
    attachableMaps.register((map) =>
      #handle in map ? { subject: map.#subject, own: map.#owner?.own } : undefined,
    )
  }

  /** Use {@link BpfObject.map}, or one of the static methods. @internal */
  constructor(handle: MapHandle, owner?: Owner, codecs?: CodecsOf, inner?: InnerDeclaration) {
    this.#handle = handle
    this.#owner = owner
    this.#codecs = codecs
    this.#inner = inner
    this.name = native.mapName(handle)
  }

  /** Makes a map without an object. It's gone when it's closed and nobody else holds it. (`bpf_map_create`, Linux 3.19) */
  static create<K = Uint8Array, V = Uint8Array, W = V>(options: MapOptions<K, V>): BpfMap<K, V, W> {
    return BpfMap.#create(options)
  }

  static #create<K, V, W>(options: MapOptions<K, V>, types?: KernelTypes): BpfMap<K, V, W> {
    const {
      type,
      name,
      keySize,
      valueSize,
      maxEntries,
      flags = 0,
      extra = 0n,
      numaNode = 0,
      ifindex = 0,
    } = options
    const number = mapTypeNumber(type)
    const innerFd = options.innerMap === undefined ? 0 : options.innerMap.fd
    const what = `create ${type} map '${name ?? ''}'`
    const map = BpfMap.#open<K, V, W>(what, createArguments, name, options, () =>
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
      ),
    )
    if (options.innerMap !== undefined) map.#inner = options.innerMap.#declaration()
    return map
  }

  /** A map from a descriptor, which is copied. */
  static fromFd<K = Uint8Array, V = Uint8Array, W = V>(
    fd: number,
    types: MapTypes<K, V> = {},
  ): BpfMap<K, V, W> {
    return BpfMap.#open(`open the map of fd ${fd}`, ['fd'], undefined, types, () => native.mapFromFd(fd))
  }

  /** A map by the kernel's number for it. (`bpf_map_get_fd_by_id`, Linux 4.13, CAP_SYS_ADMIN) */
  static fromId<K = Uint8Array, V = Uint8Array, W = V>(
    id: number,
    types: MapTypes<K, V> = {},
  ): BpfMap<K, V, W> {
    return BpfMap.#fromId(`open the map with id ${id}`, id, types)
  }

  static #fromId<K, V, W>(what: string, id: number, types: MapTypes<K, V> = {}): BpfMap<K, V, W> {
    return BpfMap.#open(what, ['id'], undefined, types, () => native.mapFromId(id), 'CAP_SYS_ADMIN')
  }

  /**
   * A pinned map. (`bpf_obj_get`, Linux 4.4)
   *
   * @param options - `expect`: what it has to be like
   * @throws BpfError ERR_BPF_MISMATCH that says every difference to what was expected
   */
  static fromPin<K = Uint8Array, V = Uint8Array, W = V>(
    path: string,
    options: PinOptions<K, V> = {},
  ): BpfMap<K, V, W> {
    const { flags = 0, expect = {} } = options
    const what = `open the pinned map ${path}`
    const names = ['path', 'flags']
    const map = BpfMap.#open<K, V, W>(what, names, undefined, options, () => native.mapFromPin(path, flags))
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
    name: string | undefined,
    { key, value }: MapTypes<K, V>,
    open: () => MapHandle,
    capability: Capability = 'CAP_BPF',
  ): BpfMap<K, V, W> {
    const handle = attempt({ what, map: name, capabilities: () => [capability], arguments: names }, open)
    if (key === undefined && value === undefined) return new BpfMap(handle)
    const map = new BpfMap<K, V, W>(handle, undefined, (map) => {
      return {
        key: (key ?? bytesCodec('key', map.keySize)) as ElementCodec,
        value: (value ?? bytesCodec('value', map.valueSize)) as ElementCodec,
      }
    })
    const wrong = wrongSize('key', key, map.keySize) ?? wrongSize('value', value, map.valueSize)
    if (wrong === undefined) return map
    map.close()
    throw new RangeError(`${what}: ${wrong}`)
  }

  // ---- What it is. Setters are for the time before load.

  /** (`bpf_map__type`, `bpf_map__set_type`) */
  get type(): MapType {
    return mapTypeName(this.#do('read the type', () => native.mapType(this.#handle)))
  }
  set type(type: MapType) {
    const number = mapTypeNumber(type)
    this.#declare(`set the type to ${type}`, () => native.mapSetType(this.#handle, number))
  }

  /** Bytes. (`bpf_map__key_size`, `bpf_map__set_key_size`) */
  get keySize(): number {
    return this.#do('read the key size', () => native.mapKeySize(this.#handle))
  }
  set keySize(size: number) {
    this.#declare('set the key size', () => native.mapSetKeySize(this.#handle, size))
  }

  /** Bytes; of a per-CPU map, for one CPU. Sections (.data) can be made longer, too. (`bpf_map__value_size`, `bpf_map__set_value_size`) */
  get valueSize(): number {
    return this.#do('read the value size', () => native.mapValueSize(this.#handle))
  }
  set valueSize(size: number) {
    this.#declare('set the value size', () => native.mapSetValueSize(this.#handle, size))
  }

  /** Entries; of a ring buffer, bytes. (`bpf_map__max_entries`, `bpf_map__set_max_entries`) */
  get maxEntries(): number {
    return this.#do('read maxEntries', () => native.mapMaxEntries(this.#handle))
  }
  set maxEntries(entries: number) {
    this.#declare(`set maxEntries to ${entries}`, () => native.mapSetMaxEntries(this.#handle, entries))
  }

  /** `BPF_F_*` of linux/bpf.h. (`bpf_map__map_flags`, `bpf_map__set_map_flags`) */
  get flags(): number {
    return this.#do('read the flags', () => native.mapFlags(this.#handle))
  }
  set flags(flags: number) {
    this.#declare('set the flags', () => native.mapSetFlags(this.#handle, flags))
  }

  /** What the type makes of it, such as the hash functions of a bloom filter. (`bpf_map__map_extra`, `bpf_map__set_map_extra`) */
  get extra(): bigint {
    return this.#do('read extra', () => native.mapExtra(this.#handle))
  }
  set extra(extra: bigint) {
    this.#declare('set extra', () => native.mapSetExtra(this.#handle, extra))
  }

  /** Counts with the flag BPF_F_NUMA_NODE. (`bpf_map__numa_node`, `bpf_map__set_numa_node`) */
  get numaNode(): number {
    return this.#declare('read the NUMA node', () => native.mapNumaNode(this.#handle))
  }
  set numaNode(node: number) {
    this.#declare('set the NUMA node', () => native.mapSetNumaNode(this.#handle, node))
  }

  /** The network device for offload. (`bpf_map__ifindex`, `bpf_map__set_ifindex`) */
  get ifindex(): number {
    return this.#declare('read the ifindex', () => native.mapIfindex(this.#handle))
  }
  set ifindex(ifindex: number) {
    this.#declare('set the ifindex', () => native.mapSetIfindex(this.#handle, ifindex))
  }

  /** Whether load makes it. (`bpf_map__autocreate`, `bpf_map__set_autocreate`) */
  get autocreate(): boolean {
    return this.#declare('read autocreate', () => native.mapAutocreate(this.#handle))
  }
  set autocreate(on: boolean) {
    this.#declare('set autocreate', () => native.mapSetAutocreate(this.#handle, on))
  }

  /** Whether the object's attach attaches it; for struct_ops. (`bpf_map__autoattach`, `bpf_map__set_autoattach`) */
  get autoattach(): boolean {
    return this.#declare('read autoattach', () => native.mapAutoattach(this.#handle))
  }
  set autoattach(on: boolean) {
    this.#declare('set autoattach', () => native.mapSetAutoattach(this.#handle, on))
  }

  /** Where load pins it, or finds it pinned; set after load, where {@link pin} pins it. (`bpf_map__pin_path`, `bpf_map__set_pin_path`) */
  get pinPath(): string | undefined {
    return this.#declare('read the pin path', () => native.mapPinPath(this.#handle))
  }
  set pinPath(path: string | undefined) {
    this.#declare('set the pin path', () => native.mapSetPinPath(this.#handle, path))
  }

  /** (`bpf_map__is_pinned`) */
  get isPinned(): boolean {
    return this.#declare('look whether it is pinned', () => native.mapIsPinned(this.#handle))
  }

  /** True for what libbpf makes of a section: .rodata, .data, .bss, .kconfig. (`bpf_map__is_internal`) */
  get isInternal(): boolean {
    return this.#owner !== undefined && this.#do('look what it is', () => native.mapIsInternal(this.#handle))
  }

  /** The types of keys and values in the object's BTF, or 0. (`bpf_map__btf_key_type_id`, `bpf_map__btf_value_type_id`) */
  get btfKeyTypeId(): number {
    return this.#do('read the key type', () => native.mapBtfKeyTypeId(this.#handle))
  }
  get btfValueTypeId(): number {
    return this.#do('read the value type', () => native.mapBtfValueTypeId(this.#handle))
  }

  /**
   * What a section or struct_ops map begins with, as a copy; only until load. Of struct_ops it is the kernel's struct as the object knows it: the codec of
   * its type reads and writes it. Functions are pointers that only libbpf understands: they are left as they are, or set to 0n for none.
   * (`bpf_map__initial_value`, `bpf_map__set_initial_value`)
   *
   * @example
   * const ops = obj.codec('tcp_congestion_ops')
   * const map = obj.map('counted')
   * map.initialValue = ops.encodeBytes({ ...ops.decodeBytes(map.initialValue!), name: 'other' })
   */
  get initialValue(): Uint8Array | undefined {
    return this.#declare('read the initial value', () => native.mapInitialValue(this.#handle))
  }
  set initialValue(value: Uint8Array) {
    this.#declare('set the initial value', () => native.mapSetInitialValue(this.#handle, value))
  }

  /** The declaration of the maps in a map of maps, until load. (`bpf_map__inner_map`) */
  get innerMap(): BpfMap | undefined {
    const inner = this.#do('read the inner map', () => native.mapInnerMap(this.#handle))
    return inner === undefined ? undefined : new BpfMap(inner, this.#owner)
  }

  /** Says by example what the maps in a map of maps are like. (`bpf_map__set_inner_map_fd`) */
  setInnerMap(map: BpfMap<unknown, unknown>): void {
    this.#declare('set the inner map', () => native.mapSetInnerMapFd(this.#handle, map.fd))
    this.#inner = map.#declaration()
  }

  /**
   * Makes a map for this map of maps to hold: of the type and sizes that its declaration, or the example it was given, says. The caller closes it.
   *
   * @throws BpfError ERR_BPF_STATE where nobody has said what they are like: a map of maps that was opened by id, pin or descriptor
   */
  createInner(options: InnerMapOptions = {}): InnerMap<V> {
    if (this.#inner === undefined) throw this.#stateError('does not say what the maps in it are like')
    const { layout, codecs, btf } = this.#inner
    const { name, numaNode, ...rest } = { ...layout, ...options }
    const given = {
      ...rest,
      ...(name === undefined ? {} : { name }),
      ...(numaNode === undefined ? {} : { numaNode }),
    }
    const made = BpfMap.#create(given, btf)
    return (codecs === undefined ? made : new BpfMap(made.#handle, undefined, codecs)) as InnerMap<V>
  }

  #declaration(): InnerDeclaration {
    const owner = this.#owner
    const btf = owner && { fd: owner.btfFd, key: this.btfKeyTypeId, value: this.btfValueTypeId }
    return { layout: layoutOf(this), codecs: this.#codecs, btf }
  }

  /**
   * Makes load take an existing map in its place; the descriptor is copied. `maxEntries` and the flags are then that map's. (`bpf_map__reuse_fd`)
   *
   * @throws BpfError ERR_BPF_MISMATCH when its type or sizes are not those that the programs were compiled for
   */
  reuse(map: BpfMap<unknown, unknown> | number): void {
    const fd = typeof map === 'number' ? map : map.fd
    const what = `reuse the map of fd ${fd}`
    this.#declare(what, () => {
      if (native.mapFd(this.#handle) < 0) this.#expectLike(what, fd)
      native.mapReuseFd(this.#handle, fd)
    })
  }

  #expectLike(what: string, fd: number): void {
    let handle: MapHandle
    try {
      handle = native.mapFromFd(fd)
    } catch {
      // libbpf is asked the same, and says so.
      return
    }
    const { type, keySize, valueSize } = declaredLayout(this.#handle)
    const list = differences(declaredLayout(handle), { type, keySize, valueSize })
    native.mapClose(handle)
    if (list.length === 0) return
    throw new BpfError(`map '${this.name}': ${what}: it has ${list.join(', ')}`, {
      ...this.#subject,
      code: 'ERR_BPF_MISMATCH',
    })
  }

  /** The file descriptor, which the map or its object owns. (`bpf_map__fd`) @throws BpfError ERR_BPF_STATE before load */
  get fd(): number {
    const fd = this.#do('read the fd', () => native.mapFd(this.#handle))
    if (fd >= 0) return fd
    throw this.#stateError('is not in the kernel: load the object first, with autocreate on')
  }

  /** The kernel's number for it. (Linux 4.13) */
  get id(): number {
    return this.info().id
  }

  /** What the kernel says of it. (`bpf_map_get_info_by_fd`, Linux 4.13) */
  info(): MapInfo {
    this.fd
    const { type, ...rest } = this.#do('read the info', () => native.mapInfo(this.#handle))
    return { ...rest, type: mapTypeName(type) }
  }

  /**
   * Bytes of kernel memory that it takes. Since Linux 6.4 what it has really allocated at the moment; before, what a full map would take, as an
   * estimate. (`memlock` of /proc/self/fdinfo)
   */
  get memoryUsed(): number {
    return kernelFacts(this.fd).memlock
  }

  /** Whether it is read-only for system calls, see {@link freeze}. (Linux 5.2) */
  get isFrozen(): boolean {
    return kernelFacts(this.fd).frozen
  }

  // ---- Entries

  /** The same map, its keys and values as bytes. Per-CPU values are then one after the other, each padded to 8 bytes. */
  get raw(): BpfMap {
    if (this.#raw === undefined) {
      this.#raw = new BpfMap(this.#handle, this.#owner, rawCodecs)
      this.#raw.#shared = this.#shared
    }
    return this.#raw
  }

  /**
   * The same LPM trie with its keys as text: `10.1.0.0/16`, `2001:db8::/32`; an address alone is a host. Keys that are iterated always have their length:
   * `10.1.2.3/32`. Whatever type the key has in BTF, it is a `__u32` length and the address's 4 or 16 bytes.
   *
   * `get` finds the longest of the networks that the key lies in.
   *
   * @throws TypeError when the map is none, or its keys are neither 8 nor 20 bytes long
   */
  get cidr(): BpfMap<string, V, W> {
    if (this.#cidr === undefined) {
      const { type, keySize } = this
      if (type !== 'lpm_trie' || !isCidrSize(keySize)) {
        throw new TypeError(
          `map '${this.name}' has no networks for keys: it is of type ${type} with keys of ${keySize} bytes, not an lpm_trie with keys of 8 or 20`,
        )
      }
      const codecs = this.#codecs
      this.#cidr = new BpfMap<string, V, W>(this.#handle, this.#owner, (map) => ({
        ...(codecs ?? rawCodecs)(map),
        key: cidrCodec(keySize) as ElementCodec,
      }))
      this.#cidr.#shared = this.#shared
    }
    return this.#cidr
  }

  /** The value of a key, or `undefined`. (`bpf_map_lookup_elem`) */
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
   * @param options - `flags`: {@link BPF_ANY}, {@link BPF_NOEXIST}, {@link BPF_EXIST}, or'ed with {@link BPF_F_LOCK}
   * @throws BpfError EEXIST, ENOENT by the flags; E2BIG when the map is full
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

  /** Whether the key is there: a look-up, too. */
  has(key: K): boolean {
    const buffers = this.#buffers ?? this.#bind()
    this.#encode(buffers, key)
    try {
      return mapLookup(this.#handle) !== false
    } catch (error) {
      throw this.#explain(error, 'has')
    }
  }

  /** Removes a key; whether it was there. Entries of arrays cannot be removed: EINVAL. (`bpf_map_delete_elem`) */
  delete(key: K): boolean {
    const buffers = this.#buffers ?? this.#bind()
    this.#encode(buffers, key)
    try {
      return mapDelete(this.#handle) !== false
    } catch (error) {
      throw this.#explain(error, 'delete')
    }
  }

  /** Takes a key's value out. (`bpf_map_lookup_and_delete_elem`; queue and stack Linux 4.20, hashes 5.14) */
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
   * The key after another, or the first; `undefined` after the last. In a hash, the first again where the key is gone.
   * (`bpf_map_get_next_key`)
   */
  nextKey(key?: K): K | undefined {
    const buffers = this.#buffers ?? this.#bind()
    if (key !== undefined) this.#encode(buffers, key)
    return this.#next(buffers, key === undefined) ? (this.#key.decode(buffers.keyView, 0) as K) : undefined
  }

  /**
   * The keys, in the kernel's order. The entry at hand may be deleted while iterating. Where others delete at the same time, keys may
   * come twice: when the key at hand is gone the kernel begins anew. What others set meanwhile may come or not.
   *
   * @throws BpfError ERR_BPF_ITERATION when deletions by others send the iteration back to its beginning again and again
   */
  *keys(): Generator<K, undefined> {
    let buffers = this.#buffers ?? this.#bind()
    const next = new Uint8Array(buffers.keyBytes.length)
    const view = new DataView(next.buffer)
    // A pass has no more keys than the map has entries; twice that says that it does not get ahead.
    let left = 2 * this.maxEntries + 1
    for (let more = this.#next(buffers, true); more; left--) {
      if (left === 0) throw this.#stateError('changes faster than it can be iterated', 'ERR_BPF_ITERATION')
      next.set(buffers.keyBytes)
      // Before the key goes out, because its entry may be gone afterwards.
      more = this.#next(buffers, false)
      const after = buffers.keyBytes.slice()
      yield this.#key.decode(view, 0) as K
      buffers = this.#buffers ?? this.#bind()
      buffers.keyBytes.set(after)
    }
  }

  /**
   * The entries, in the kernel's order, many with each system call. Those that are deleted meanwhile may still come; the rest comes once.
   * (`bpf_map_lookup_batch`, Linux 5.6; where the kernel or the type knows no batches, one by one as {@link keys})
   */
  *entries(): Generator<[K, V], undefined> {
    for (const { count, keys, values } of this.#batches(false)) {
      yield* this.#decodeBatch(count, keys, values)
    }
  }

  /** The keys' values, see {@link entries}. */
  *values(): Generator<V, undefined> {
    for (const [, value] of this.entries()) yield value
  }

  /**
   * The entries as bytes, many at a time: `keys` and `values` hold `count` of them one after the other, and are overwritten by the next piece.
   *
   * @param options - `size`: how many at a time; more where a bucket of the hash holds more. Without it at most 4096, and 4 MiB
   */
  *batches({ size }: { size?: number } = {}): Generator<RawBatch, undefined> {
    yield* this.#batches(false, size)
  }

  /**
   * Takes all entries out. Nothing is lost between reading and deleting, as it would be with {@link entries} and {@link clear}.
   * (`bpf_map_lookup_and_delete_batch`, Linux 5.6; else `bpf_map_lookup_and_delete_elem`, Linux 5.14 for hashes)
   */
  *drain(): Generator<[K, V], undefined> {
    for (const { count, keys, values } of this.#batches(true)) {
      yield* this.#decodeBatch(count, keys, values)
    }
  }

  /** The values of some keys, in their order; `undefined` for those that are not there. A system call each: the kernel has no batch for it. */
  getMany(keys: Iterable<K>): (V | undefined)[] {
    return Array.from(keys, (key) => this.get(key))
  }

  /**
   * Sets many entries, with few system calls. Where it throws those before are set. (`bpf_map_update_batch`, Linux 5.6; else one by one)
   *
   * @param options - `flags`: {@link BPF_ANY} or {@link BPF_F_LOCK}
   */
  setMany(entries: Iterable<readonly [K, W]>, { flags = BPF_ANY }: { flags?: number } = {}): this {
    const { sizes } = this.#buffers ?? this.#bind()
    const size = this.#batchSize(sizes)
    const keys = new Uint8Array(size * sizes.key)
    const values = new Uint8Array(size * sizes.value)
    const keyView = new DataView(keys.buffer)
    const valueView = new DataView(values.buffer)
    let count = 0
    const flush = (): void => {
      try {
        native.mapUpdateBatch(this.#handle, keys, values, Uint32Array.of(count), flags)
      } catch (error) {
        if (!knowsNoBatches(error)) throw this.#explain(error, 'setMany')
        const { raw } = this
        for (let i = 0; i < count; i++) {
          const key = keys.subarray(i * sizes.key, (i + 1) * sizes.key)
          raw.set(key, values.subarray(i * sizes.value, (i + 1) * sizes.value), { flags })
        }
      }
      count = 0
    }
    for (const [key, value] of entries) {
      this.#key.encode(key, keyView, count * sizes.key)
      this.#value.encode(value, valueView, count * sizes.value)
      if (++count === size) flush()
    }
    if (count > 0) flush()
    return this
  }

  /**
   * Deletes many keys, with few system calls. (`bpf_map_delete_batch`, Linux 5.6; else one by one)
   *
   * @returns how many of them were there
   */
  deleteMany(keys: Iterable<K>): number {
    const { sizes } = this.#buffers ?? this.#bind()
    const size = this.#batchSize({ ...sizes, value: 0 })
    const bytes = new Uint8Array(size * sizes.key)
    const view = new DataView(bytes.buffer)
    let deleted = 0
    let count = 0
    const flush = (): void => {
      try {
        deleted += deleteBatch(this.#handle, bytes, count, sizes.key)
      } catch (error) {
        if (!knowsNoBatches(error)) throw this.#explain(error, 'deleteMany')
        for (let i = 0; i < count; i++) {
          if (this.delete(this.#key.decode(view, i * sizes.key) as K)) deleted++
        }
      }
      count = 0
    }
    for (const key of keys) {
      this.#key.encode(key, view, count * sizes.key)
      if (++count === size) flush()
    }
    if (count > 0) flush()
    return deleted
  }

  [Symbol.iterator](): Generator<[K, V], undefined> {
    return this.entries()
  }

  /**
   * The entries as {@link entries} gives them, without holding the event loop: many at a time are read on libuv's pool. Where the kernel or the type knows
   * no batches, some at a time in each turn of the loop.
   *
   * @param options - `size`: how many at a time; without it at most 4096, and 4 MiB
   */
  async *entriesAsync({ size }: { size?: number } = {}): AsyncGenerator<[K, V], undefined> {
    const { sizes } = this.#buffers ?? this.#bind()
    if (sizes.key === 0) throw this.#stateError('has no keys', 'ENOTSUP')
    let isFirst = true
    try {
      for await (const { count, keys, values } of asyncBatches(
        this.#handle,
        size ?? this.#batchSize(sizes),
      )) {
        isFirst = false
        yield* this.#decodeBatch(count, keys, values)
      }
      return
    } catch (error) {
      if (!isFirst || !knowsNoBatches(error)) throw this.#explain(error, 'read the entries')
    }
    let walked = 0
    for (const entry of this.#walk(false)) {
      if (++walked % walkedInTurn === 0) await setImmediate()
      yield* this.#decodeBatch(1, entry.keys, entry.values)
    }
  }

  /** As {@link entriesAsync}: `for await (const [key, value] of map)`. */
  [Symbol.asyncIterator](): AsyncGenerator<[K, V], undefined> {
    return this.entriesAsync()
  }

  /** How many entries there is room for: no more than the map has, and not many megabytes. */
  #batchSize({ key, value }: BatchSizes): number {
    return Math.max(1, Math.min(defaultBatch, this.maxEntries, Math.floor(batchBytes / (key + value))))
  }

  /**
   * The sum of a per-CPU value over all CPUs that there can be, those that are offline too; `undefined` where there is no such key. See
   * {@link sumValues} for what becomes of structs.
   */
  sum<T>(this: BpfMap<K, T[]>, key: K): T | undefined {
    if (!perCpuTypes.includes(this.type)) throw this.#stateError('is not a per-CPU map', 'ENOTSUP')
    const values = this.get(key)
    if (isBytes(values)) throw this.#stateError('has no type to sum: its values are bytes', 'ENOTSUP')
    return values === undefined ? undefined : sumValues(values)
  }

  forEach(callback: (value: V, key: K, map: this) => void): void {
    for (const [key, value] of this) callback(value, key, this)
  }

  /** The number of entries. The kernel does not keep one: they are counted. */
  get size(): number {
    let size = 0
    for (const { count } of this.#batches(false)) size += count
    return size
  }

  /** Removes all entries. Those of arrays cannot be removed: EINVAL. */
  clear(): void {
    const raw = this.raw
    for (const key of raw.keys()) raw.delete(key)
  }

  // ---- The map as a whole

  /** Makes it read-only for system calls, for good. (`bpf_map_freeze`, Linux 5.2) */
  freeze(): void {
    this.fd
    this.#do('freeze', () => native.mapFreeze(this.#handle))
  }

  /**
   * The values of an array with `BPF_F_MMAPABLE`, read and written without system calls. The caller closes what it gets, which outlives the map.
   * (`mmap`, Linux 5.5)
   *
   * @param options - `writable`: true by default; frozen maps can only be read
   * @throws BpfError ENOTSUP for other maps, EPERM for one that is frozen
   */
  mmap({ writable = true }: { writable?: boolean } = {}): MappedArray<V> {
    const { sizes } = this.#buffers ?? this.#bind()
    const memory = this.#mmap(writable)
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
   * An arena's memory, to be read and written by offset. Pages come to be when they're touched. An arena is mapped once; libbpf maps those of objects when
   * it loads. (`mmap`, Linux 6.9)
   */
  mmapArena(): MappedArena {
    if (this.type !== 'arena') throw this.#stateError('is no arena', 'ENOTSUP')
    this.fd
    const memory = this.#mmap(true)
    return new MappedArena(memory, this.name, native.memorySize(memory))
  }

  #mmap(writable: boolean): MemoryHandle {
    const subject = {
      ...this.#subject,
      what: `map '${this.name}': mmap`,
      reason: ({ errno }: { errno: number }) => mmapReasons[errno],
    }
    return attempt(subject, () => native.mapMmap(this.#handle, writable))
  }

  /** Pins it into a BPF file system: it stays when the process ends. Without a path: to {@link pinPath}. (`bpf_map__pin`) */
  pin(path?: string): void {
    this.fd
    this.#do(`pin to ${path ?? 'its pin path'}`, () => native.mapPin(this.#handle, path), path)
  }

  /** Removes the pin. (`bpf_map__unpin`) */
  unpin(path?: string): void {
    this.#do(`unpin from ${path ?? 'its pin path'}`, () => native.mapUnpin(this.#handle, path), path)
  }

  /** Registers a struct_ops map. (`bpf_map__attach_struct_ops`, Linux 5.6) */
  attachStructOps(): Link {
    const handle = this.#declare('attach', () => native.mapAttachStructOps(this.#handle))
    return this.#owner!.own((onClose) => new Link(handle, { ...this.#subject, target: this.name }, onClose))
  }

  /** Closes a map that has no object of its own; the maps of an object are closed with it, and this does nothing. Twice is fine. */
  close(): void {
    native.mapClose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  // ---- Memory of sections

  /** Reads a section's bytes into `target`: its initial value before load, the live memory after. @internal */
  readMemory(offset: number, target: Uint8Array): void {
    if (this.#do('read', () => native.mapMemoryRead(this.#handle, offset, target))) return
    // Without a global variable that the linker sees, libbpf does not map the section.
    const value = this.raw.get(new Uint8Array(this.keySize))
    if (value !== undefined) target.set(value.subarray(offset, offset + target.length))
  }

  /** Writes a section's bytes. @internal */
  writeMemory(offset: number, source: Uint8Array): void {
    if (this.#do('write', () => native.mapMemoryWrite(this.#handle, offset, source))) return
    const { raw } = this
    const key = new Uint8Array(this.keySize)
    const value = raw.get(key)
    if (value === undefined) return
    value.set(source, offset)
    raw.set(key, value)
  }

  // ----

  /** The entries as bytes, one by one where the kernel or the type knows no batches. */
  *#batches(take: boolean, wanted?: number): Generator<RawBatch, undefined> {
    const { sizes } = this.#buffers ?? this.#bind()
    const size = wanted ?? this.#batchSize(sizes)
    if (sizes.key === 0) throw this.#stateError('has no keys', 'ENOTSUP')
    let isFirst = true
    try {
      for (const batch of rawBatches(this.#handle, sizes, size, take)) {
        isFirst = false
        yield batch
      }
    } catch (error) {
      if (!isFirst || !knowsNoBatches(error)) throw this.#explain(error, take ? 'drain' : 'read the entries')
      yield* this.#walk(take)
    }
  }

  /** The entries as bytes, one by one. */
  *#walk(take: boolean): Generator<RawBatch, undefined> {
    const { raw } = this
    for (const keys of raw.keys()) {
      const values = take ? raw.lookupAndDelete(keys) : raw.get(keys)
      if (values !== undefined) yield { count: 1, keys, values }
    }
  }

  *#decodeBatch(count: number, keys: Uint8Array, values: Uint8Array): Generator<[K, V], undefined> {
    const { sizes } = this.#buffers!
    const keyView = new DataView(keys.buffer, keys.byteOffset, keys.byteLength)
    const valueView = new DataView(values.buffer, values.byteOffset, values.byteLength)
    for (let i = 0; i < count; i++) {
      yield [
        this.#key.decode(keyView, i * sizes.key) as K,
        this.#value.decode(valueView, i * sizes.value) as V,
      ]
    }
  }

  /** Puts a key, and a value, where native code reads them. */
  #encode(buffers: Buffers, key: K, hasValue = false, value?: W): void {
    const turn = ++buffers.turn
    this.#key.encode(key, buffers.keyView, 0)
    if (hasValue) this.#value.encode(value, buffers.valueView, 0)
    // A getter of theirs has put others there.
    if (buffers.turn !== turn)
      throw this.#stateError('is used by a getter of its own key or value', 'ERR_BPF_BUSY')
  }

  #next(buffers: Buffers, first: boolean): boolean {
    if (buffers.keyBytes.length === 0) throw this.#stateError('has no keys', 'ENOTSUP')
    try {
      return mapNextKey(this.#handle, first) !== false
    } catch (error) {
      throw this.#explain(error, 'nextKey')
    }
  }

  #bind(): Buffers {
    this.fd
    return this.#do('prepare its buffers', () => {
      const { keySize } = this
      const valueBytes = native.mapValueBytes(this.#handle)
      const codecs = (this.#codecs ?? rawCodecs)(this)
      this.#codecsOfOne = codecs
      this.#key = this.#holdsStacks ? stackIdCodec : codecs.key
      this.#value = this.#valueCodec(codecs.value, valueBytes)
      this.#shared.buffers ??= bindBuffers(this.#handle, keySize, valueBytes)
      this.#buffers = this.#shared.buffers
      return this.#buffers
    })
  }

  /** What values are beside their type in BTF. */
  #valueCodec(one: ElementCodec, valueBytes: number): ElementCodec {
    if (this.#codecs === rawCodecs) return one
    const { type } = this
    if (mapsOfMaps.includes(type)) {
      return descriptorCodec(fdOfMap, (id) => this.#openInner(id))
    }
    if (this.#holdsStacks) return stackCodec(valueBytes)
    if (type === 'prog_array') return descriptorCodec(fdOfProgram, (id) => id)
    // Without types they are bytes, for all CPUs.
    const isPerCpu = perCpuTypes.includes(type) && this.#codecs !== undefined
    return isPerCpu ? (perCpuCodec(one, valueBytes) as ElementCodec) : one
  }

  /** Addresses, whatever they were declared as: mostly nothing. */
  get #holdsStacks(): boolean {
    if (this.#codecs === rawCodecs || this.type !== 'stack_trace') return false
    return (this.flags & BPF_F_STACK_BUILD_ID) === 0
  }

  #openInner(id: number): BpfMap<unknown, unknown> {
    const what = `map '${this.name}': open the map with id ${id} that is in it`
    const map = BpfMap.#fromId<unknown, unknown, unknown>(what, id)
    return this.#inner?.codecs === undefined ? map : new BpfMap(map.#handle, undefined, this.#inner.codecs)
  }

  /** Why the kernel refuses the map that was put in last. */
  #innerReason(): string | undefined {
    if (this.#inner === undefined || this.#buffers === undefined) return undefined
    try {
      const handle = native.mapFromFd(descriptorIn(this.#buffers.valueView))
      const reason = innerMismatch(declaredLayout(handle), this.#inner.layout)
      native.mapClose(handle)
      return reason
    } catch {
      return 'that is not the descriptor of a map'
    }
  }

  get #subject(): Omit<Subject, 'what'> {
    return { object: this.#owner?.name, map: this.name, capabilities: () => ['CAP_BPF'] }
  }

  #do<T>(what: string, call: () => T, target?: string): T {
    return attempt({ ...this.#subject, target, what: `map '${this.name}': ${what}` }, call)
  }

  /** For what libbpf knows only of the maps of an object. */
  #declare<T>(what: string, call: () => T): T {
    if (this.#owner === undefined) throw this.#stateError('belongs to no object: it is as it was made')
    return this.#do(what, call)
  }

  #explain(error: unknown, what: string): unknown {
    return explain(error, {
      ...this.#subject,
      what: `map '${this.name}': ${what}`,
      arguments: ['map', 'flags'],
      reason: ({ errno }) =>
        errno === constants.errno.EINVAL && what === 'set' && mapsOfMaps.includes(this.type)
          ? this.#innerReason()
          : undefined,
    })
  }

  #stateError(is: string, code = 'ERR_BPF_STATE'): BpfError {
    return new BpfError(`map '${this.name}' ${is}`, { ...this.#subject, code })
  }
}

function bindBuffers(handle: MapHandle, keySize: number, valueBytes: number): Buffers {
  const keyBytes = new Uint8Array(keySize)
  const value = new Uint8Array(valueBytes)
  native.mapBind(handle, keyBytes, value)
  return {
    sizes: { key: keySize, value: valueBytes },
    keyBytes,
    turn: 0,
    keyView: new DataView(keyBytes.buffer),
    valueView: new DataView(value.buffer),
  }
}
