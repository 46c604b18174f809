import type { Btf } from '../btf/btf.js'
import type { Codec } from '../btf/codec.js'
import type { Plan } from '../btf/plan.js'
import type { MapType } from '../native/map-types.js'
import type { ElementCodec } from './element-codec.js'
import type { MapLayout } from './layout.js'
import type { BpfMap } from './map.js'

/** Flag for {@link BpfMap.set}: creates the entry or replaces it. This is the default. */
export const BPF_ANY = 0
/** Flag for {@link BpfMap.set}: only creates an entry. If the key exists, `set` throws EEXIST. */
export const BPF_NOEXIST = 1
/** Flag for {@link BpfMap.set}: only replaces an entry. If the key does not exist, `set` throws ENOENT. */
export const BPF_EXIST = 2
/** Flag for `get` and `set`: the kernel holds the `bpf_spin_lock` of the value while it copies. (Linux 5.1) */
export const BPF_F_LOCK = 4

/** Flag to open a map that this process only reads. Users who may only read the pin need it. (Linux 4.15) */
export const BPF_F_RDONLY = 8
/** Flag to open a map that this process only writes. (Linux 4.15) */
export const BPF_F_WRONLY = 16

/** What the kernel reports about a map. */
export interface MapInfo {
  type: MapType
  id: number
  /** At most 15 characters, because the kernel truncates longer names. */
  name: string
  /** Bytes. */
  keySize: number
  /** Bytes; for a per-CPU map, the size of one CPU's value. */
  valueSize: number
  maxEntries: number
  /** `BPF_F_*` of linux/bpf.h. */
  flags: number
  ifindex: number
  btfId: number
  btfKeyTypeId: number
  btfValueTypeId: number
  /** For a struct_ops map, the id of its type in the kernel's BTF; otherwise 0. */
  btfVmlinuxValueTypeId: number
  /** For an offloaded map, the device and inode number of its network namespace; otherwise 0. */
  netnsDev: bigint
  netnsIno: bigint
  /** Type-specific extra value, such as the number of hash functions of a bloom filter. */
  extra: bigint
}

/** The codecs of a map that has no object. Without a codec, keys or values are bytes. */
export interface MapTypes<K, V> {
  key?: Codec<K>
  /** For a per-CPU map, the codec of one CPU's value. */
  value?: Codec<V>
}

export interface MapOptions<K = Uint8Array, V = Uint8Array> extends MapTypes<K, V> {
  type: MapType
  /** The kernel keeps at most 15 characters. */
  name?: string
  /** Bytes. */
  keySize: number
  /** Bytes; for a per-CPU map, the size of one CPU's value. */
  valueSize: number
  maxEntries: number
  /** `BPF_F_*` of linux/bpf.h. */
  flags?: number
  /** Type-specific extra value, such as the number of hash functions of a bloom filter. */
  extra?: bigint
  /** Only takes effect with the flag BPF_F_NUMA_NODE. */
  numaNode?: number
  /** For maps of maps: an example of the maps that it will hold. */
  innerMap?: BpfMap<unknown, unknown>
  ifindex?: number
  /** The types of keys and values, which the kernel keeps. Keys and values have these types where there is no codec. */
  btf?: MapBtf
  /** A {@link Token}, or its descriptor: the permissions of whoever mounted a BPF file system. (Linux 6.9) */
  token?: { readonly fd: number } | number
  /**
   * Only the program with this hash may use the map: SHA-256 of its instructions, as libbpf computes it for
   * {@link BpfMap.setExclusiveProgram}. (Linux 6.18)
   */
  exclusiveHash?: Uint8Array
}

/**
 * The BTF types of a map. Values with locks, timers, kptrs, lists and trees require them, and tools use them to show
 * the members of keys and values. (Linux 4.18)
 */
export interface MapBtf {
  /** Is loaded into the kernel; you may close it afterwards. */
  types: Btf
  /** The names or ids of the types in it. */
  key: string | number
  value: string | number
}

/** How {@link BpfMap.fromId}, {@link BpfMap.fromPin}, {@link openMap} and {@link openPin} open a map. */
export interface OpenFlags {
  /** {@link BPF_F_RDONLY} or {@link BPF_F_WRONLY}; by default the map can be read and written. */
  flags?: number
}

/** Options for {@link BpfMap.fromPin}. */
export interface PinOptions<K = Uint8Array, V = Uint8Array> extends MapTypes<K, V>, OpenFlags {
  /** What the pinned map has to look like. Properties that you leave out are not checked. */
  expect?: Partial<MapLayout>
}

/** How a map made by {@link BpfMap.createInner} differs from the declaration. */
export interface InnerMapOptions {
  name?: string
  /** The inner maps of one map can have different lengths; arrays only with the flag {@link BPF_F_INNER_MAP}. */
  maxEntries?: number
  flags?: number
  numaNode?: number
}

/** The type of the maps in a map of maps, derived from the type of its values. */
export type InnerMap<V> = V extends BpfMap<infer IK, infer IV> ? BpfMap<IK, IV> : BpfMap

/** How keys and values are turned into bytes and back. @internal */
export interface MapCodecs {
  key: ElementCodec
  /** For per-CPU maps, the codec of one CPU's value. */
  value: ElementCodec
  /** The layout that `value` reads and writes, if there is a type. */
  plan?: () => Plan
  littleEndian?: boolean
}

/** Called when the map is first used, because its sizes are not final before load. @internal */
export type CodecsOf = (map: BpfMap<unknown, unknown>) => MapCodecs

/** What the maps in a map of maps look like. @internal */
export interface InnerDeclaration {
  readonly layout: MapLayout
  readonly codecs: CodecsOf | undefined
  readonly btf: KernelTypes | undefined
}

/** The BTF types of keys and values. The kernel needs them for values with locks, timers and the like. @internal */
export interface KernelTypes {
  /** The descriptor of the BTF, known after load; negative if the kernel has none. */
  fd(): number
  key: number
  value: number
}
