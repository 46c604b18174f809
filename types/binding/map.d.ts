// Maps.
import type { LinkHandle, MapHandle, MemoryHandle, ProgramHandle } from './handles.js'

export interface MapInfo {
  type: number
  id: number
  name: string
  keySize: number
  valueSize: number
  maxEntries: number
  flags: number
  ifindex: number
  btfId: number
  btfKeyTypeId: number
  btfValueTypeId: number
  btfVmlinuxValueTypeId: number
  netnsDev: bigint
  netnsIno: bigint
  extra: bigint
}

/** Entries that were read on libuv's thread pool. */
export interface MapBatch {
  count: number
  /** False when these were the last. */
  more: boolean
  /** Where the next batch continues. */
  cursor: Uint8Array
  /** `count` of them, one after the other. */
  keys: Uint8Array
  values: Uint8Array
}

export interface MapBinding {
  // ---- map: binding/map_declaration.cc

  mapName(map: MapHandle): string
  mapType(map: MapHandle): number
  mapSetType(map: MapHandle, type: number): void
  mapKeySize(map: MapHandle): number
  mapSetKeySize(map: MapHandle, size: number): void
  mapValueSize(map: MapHandle): number
  mapSetValueSize(map: MapHandle, size: number): void
  mapMaxEntries(map: MapHandle): number
  mapSetMaxEntries(map: MapHandle, entries: number): void
  mapFlags(map: MapHandle): number
  mapSetFlags(map: MapHandle, flags: number): void
  mapExtra(map: MapHandle): bigint
  mapSetExtra(map: MapHandle, extra: bigint): void
  mapNumaNode(map: MapHandle): number
  mapSetNumaNode(map: MapHandle, node: number): void
  mapIfindex(map: MapHandle): number
  mapSetIfindex(map: MapHandle, ifindex: number): void
  mapAutocreate(map: MapHandle): boolean
  mapSetAutocreate(map: MapHandle, on: boolean): void
  mapAutoattach(map: MapHandle): boolean
  mapSetAutoattach(map: MapHandle, on: boolean): void
  mapPinPath(map: MapHandle): string | undefined
  mapSetPinPath(map: MapHandle, path: string | undefined): void
  mapIsPinned(map: MapHandle): boolean
  /** True for the maps that libbpf creates for sections (.rodata, .data, .bss, .kconfig). */
  mapIsInternal(map: MapHandle): boolean
  mapBtfKeyTypeId(map: MapHandle): number
  mapBtfValueTypeId(map: MapHandle): number
  /** The declaration of the inner maps of a map of maps, until load. `undefined` if there is none. */
  mapInnerMap(map: MapHandle): MapHandle | undefined
  mapSetInnerMapFd(map: MapHandle, fd: number): void
  /** `bpf_map__set_exclusive_program`. EINVAL if the program belongs to another object. */
  mapSetExclusiveProgram(map: MapHandle, program: ProgramHandle): void
  /** The name of the program. */
  mapExclusiveProgram(map: MapHandle): string | undefined
  mapReuseFd(map: MapHandle, fd: number): void
  /** -1 before load. */
  mapFd(map: MapHandle): number
  /** A copy of `bpf_map__initial_value`; after load, of the live memory. `undefined` if the map has no memory. */
  mapInitialValue(map: MapHandle): Uint8Array | undefined
  /** Only before load. The value must have exactly the size of the map's value. */
  mapSetInitialValue(map: MapHandle, value: Uint8Array): void
  /** Copies bytes out of the map's memory. False if it has none; then use a look-up of key 0. */
  mapMemoryRead(map: MapHandle, offset: number, target: Uint8Array): boolean
  /** Copies bytes into the map's memory. False if it has none. EACCES if load made it read-only. */
  mapMemoryWrite(map: MapHandle, offset: number, source: Uint8Array): boolean

  // ---- map: binding/map_elements.cc

  /** The size of a value in a system call. A per-CPU value is rounded up to 8 bytes, once for each possible CPU. */
  mapValueBytes(map: MapHandle): number
  /**
   * Gives the map the two buffers that the calls below read and write, of exactly `mapKeySize` and `mapValueBytes`
   * bytes. Native code keeps pointers to them, so they must never be detached: only code of this package may see
   * them, no codec of a user.
   */
  mapBind(map: MapHandle, key: Uint8Array, value: Uint8Array): void
  /**
   * Reads the key from its buffer, and writes the value into the other one. False for ENOENT. Success is `undefined`,
   * here and in the next four calls, because returning a boolean would cost time.
   */
  mapLookup(map: MapHandle, flags?: number): false | undefined
  /** Reads the key and the value from their buffers. */
  mapUpdate(map: MapHandle, flags?: number): void
  /** Reads the key from its buffer. False for ENOENT. */
  mapDelete(map: MapHandle): false | undefined
  /** Like {@link mapLookup}, and deletes the entry. False for ENOENT. */
  mapLookupAndDelete(map: MapHandle, flags?: number): false | undefined
  /** Replaces the key in its buffer by the next key, or with `first` by the first key. False if there is none. */
  mapNextKey(map: MapHandle, first: boolean): false | undefined
  /**
   * Reads up to `count[0]` entries into `keys` and `values`, from the kernel's cursor on, or with `first` from the
   * beginning. Then `count[0]` is the number of entries that were read; `take` deletes them. False if these were the
   * last entries. ENOSPC if a bucket of the hash table has more entries than that. The cursor has the size of a key,
   * but at least 4 bytes. The map must be bound, here and below.
   */
  mapLookupBatch(
    map: MapHandle,
    cursor: Uint8Array,
    first: boolean,
    keys: Uint8Array,
    values: Uint8Array,
    count: Uint32Array,
    flags: number,
    take: boolean,
  ): boolean
  /** Looks up `count` keys, one by one. `found[i]` is 1 if the key at `i` exists, and 0 for ENOENT. */
  mapLookupMany(map: MapHandle, keys: Uint8Array, values: Uint8Array, found: Uint8Array, count: number): void
  /** Sets `count[0]` entries. Then `count[0]` is the number of entries that were set, also if it throws. */
  mapUpdateBatch(
    map: MapHandle,
    keys: Uint8Array,
    values: Uint8Array,
    count: Uint32Array,
    flags: number,
  ): void
  /** The same for deletion. False if it stopped at a key that does not exist. */
  mapDeleteBatch(map: MapHandle, keys: Uint8Array, count: Uint32Array): boolean
  /**
   * `bpf_map_lookup_batch` on libuv's thread pool: reads up to `room` entries, from the cursor on, or without a
   * cursor from the beginning. It fails like {@link mapLookupBatch}, and with a RangeError if there is no memory. The
   * map must be bound, and can be closed in the meantime.
   */
  mapLookupBatchAsync(map: MapHandle, cursor: Uint8Array | undefined, room: number): Promise<MapBatch>

  // ---- map: binding/map.cc

  mapFreeze(map: MapHandle): void
  mapPin(map: MapHandle, path: string | undefined): void
  mapUnpin(map: MapHandle, path: string | undefined): void
  mapInfo(map: MapHandle): MapInfo
  /**
   * `bpf_map_create`. The handle owns the map. If `btfFd` is not negative, the map has BTF types, unless the kernel
   * refuses them and they are not required. `tokenFd` is -1 without a token.
   */
  mapCreate(
    type: number,
    name: string | undefined,
    keySize: number,
    valueSize: number,
    maxEntries: number,
    flags: number,
    extra: bigint,
    numaNode: number,
    innerMapFd: number,
    ifindex: number,
    btfFd: number,
    btfKeyTypeId: number,
    btfValueTypeId: number,
    tokenFd: number,
    exclusiveHash: Uint8Array | undefined,
    requiresBtf: boolean,
  ): MapHandle
  /** The handle owns a duplicate of the descriptor. */
  mapFromFd(fd: number): MapHandle
  /** `bpf_map_get_fd_by_id_opts`; flags BPF_F_RDONLY, BPF_F_WRONLY. */
  mapFromId(id: number, flags: number): MapHandle
  /** `bpf_obj_get`; flags BPF_F_RDONLY, BPF_F_WRONLY. EINVAL if the pin is not a map. */
  mapFromPin(path: string, flags: number): MapHandle
  /** `bpf_map__attach_struct_ops`. */
  mapAttachStructOps(map: MapHandle): LinkHandle
  /** Closes the descriptor of a map without an object. For the maps of an object it does nothing. */
  mapClose(map: MapHandle): void

  // ---- mapped memory: binding/mapped_memory.cc

  /**
   * Maps an array with BPF_F_MMAPABLE, whose values are each padded to 8 bytes, or an arena, whose `maxEntries` are
   * pages. ENOTSUP for other maps. The mapping stays when the map is closed, except for the arena of an object, which
   * libbpf has mapped.
   */
  mapMmap(map: MapHandle, writable: boolean): MemoryHandle
  /** Bytes. */
  memorySize(memory: MemoryHandle): number
  /** Where it is in the process. */
  memoryAddress(memory: MemoryHandle): bigint
  /** Where in the arena of an object its global variables begin, once it is loaded. */
  mapArenaVariables(map: MapHandle): number
  memoryRead(memory: MemoryHandle, offset: number, target: Uint8Array): void
  /** EACCES if it is mapped for reading only. */
  memoryWrite(memory: MemoryHandle, offset: number, source: Uint8Array): void
  memoryClose(memory: MemoryHandle): void
}
