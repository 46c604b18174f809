import type { MapHandle } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import type { Subject } from '../errors/explain.js'
import { attachableMaps, type Owner } from '../links/attachment.js'
import { Link } from '../links/link.js'
import { type PinFolder, pinAt } from '../machine/pin-folder.js'
import { native } from '../native/binding.js'
import { mapHandles, programHandles } from '../native/handles.js'
import type { MapType } from '../native/map-types.js'
import { mapTypeName, mapTypeNumber } from '../native/type-names.js'
import type { Program } from '../programs/program.js'
import { kernelFacts } from './fdinfo.js'
import { declaredLayout, differences, layoutOfFd, type MapLayout } from './layout.js'
import type { BpfMap } from './map.js'
import type { MapInfo } from './types.js'

/** The properties of a map, in its object and in the kernel. Its entries are in {@link BpfMap}. */
export abstract class MapProperties implements Disposable {
  readonly #handle: MapHandle
  readonly #owner: Owner | undefined
  readonly name: string

  static {
    mapHandles.register((map) => (#handle in map ? map.#handle : undefined))
    attachableMaps.register((map) =>
      #handle in map ? { subject: subjectOf(map.#owner, map.name), own: map.#owner?.own } : undefined,
    )
  }

  /** @internal */
  constructor(handle: MapHandle, owner: Owner | undefined) {
    this.#handle = handle
    this.#owner = owner
    this.name = attempt({ what: 'use the map', object: owner?.name }, () => native.mapName(handle))
  }

  // ---- Properties. Setters work until the object is loaded.

  /** (`bpf_map__type`, `bpf_map__set_type`) */
  get type(): MapType {
    return mapTypeName(doWith(this, 'read the type', () => native.mapType(this.#handle)))
  }
  set type(type: MapType) {
    const number = mapTypeNumber(type)
    declare(this, `set the type to ${type}`, () => native.mapSetType(this.#handle, number))
  }

  /** Bytes. (`bpf_map__key_size`, `bpf_map__set_key_size`) */
  get keySize(): number {
    return doWith(this, 'read the key size', () => native.mapKeySize(this.#handle))
  }
  set keySize(size: number) {
    declare(this, 'set the key size', () => native.mapSetKeySize(this.#handle, size))
  }

  /**
   * Bytes; for a per-CPU map, the size of one CPU's value. Setting it can also make a section such as `.data` longer.
   * (`bpf_map__value_size`, `bpf_map__set_value_size`)
   */
  get valueSize(): number {
    return doWith(this, 'read the value size', () => native.mapValueSize(this.#handle))
  }
  set valueSize(size: number) {
    declare(this, 'set the value size', () => native.mapSetValueSize(this.#handle, size))
  }

  /**
   * The maximum number of entries; for a ring buffer, its size in bytes. (`bpf_map__max_entries`,
   * `bpf_map__set_max_entries`)
   */
  get maxEntries(): number {
    return doWith(this, 'read maxEntries', () => native.mapMaxEntries(this.#handle))
  }
  set maxEntries(entries: number) {
    declare(this, `set maxEntries to ${entries}`, () => native.mapSetMaxEntries(this.#handle, entries))
  }

  /** `BPF_F_*` of linux/bpf.h. (`bpf_map__map_flags`, `bpf_map__set_map_flags`) */
  get flags(): number {
    return doWith(this, 'read the flags', () => native.mapFlags(this.#handle))
  }
  set flags(flags: number) {
    declare(this, 'set the flags', () => native.mapSetFlags(this.#handle, flags))
  }

  /**
   * Type-specific extra value, such as the number of hash functions of a bloom filter. (`bpf_map__map_extra`,
   * `bpf_map__set_map_extra`)
   */
  get extra(): bigint {
    return doWith(this, 'read extra', () => native.mapExtra(this.#handle))
  }
  set extra(extra: bigint) {
    declare(this, 'set extra', () => native.mapSetExtra(this.#handle, extra))
  }

  /** Only takes effect with the flag BPF_F_NUMA_NODE. (`bpf_map__numa_node`, `bpf_map__set_numa_node`) */
  get numaNode(): number {
    return declare(this, 'read the NUMA node', () => native.mapNumaNode(this.#handle))
  }
  set numaNode(node: number) {
    declare(this, 'set the NUMA node', () => native.mapSetNumaNode(this.#handle, node))
  }

  /** The network device that the map is offloaded to. (`bpf_map__ifindex`, `bpf_map__set_ifindex`) */
  get ifindex(): number {
    return declare(this, 'read the ifindex', () => native.mapIfindex(this.#handle))
  }
  set ifindex(ifindex: number) {
    declare(this, 'set the ifindex', () => native.mapSetIfindex(this.#handle, ifindex))
  }

  /** Whether load creates the map. (`bpf_map__autocreate`, `bpf_map__set_autocreate`) */
  get autocreate(): boolean {
    return declare(this, 'read autocreate', () => native.mapAutocreate(this.#handle))
  }
  set autocreate(on: boolean) {
    declare(this, 'set autocreate', () => native.mapSetAutocreate(this.#handle, on))
  }

  /** Whether {@link BpfObject.attach} attaches this struct_ops map. (`bpf_map__autoattach`, `bpf_map__set_autoattach`) */
  get autoattach(): boolean {
    return declare(this, 'read autoattach', () => native.mapAutoattach(this.#handle))
  }
  set autoattach(on: boolean) {
    declare(this, 'set autoattach', () => native.mapSetAutoattach(this.#handle, on))
  }

  /**
   * The path at which load pins the map, or finds it if it is pinned already. If you set it after load, it is where
   * {@link pin} pins the map. (`bpf_map__pin_path`, `bpf_map__set_pin_path`)
   */
  get pinPath(): string | undefined {
    return declare(this, 'read the pin path', () => native.mapPinPath(this.#handle))
  }
  set pinPath(path: string | undefined) {
    declare(this, 'set the pin path', () => native.mapSetPinPath(this.#handle, path))
  }

  /** (`bpf_map__is_pinned`) */
  get isPinned(): boolean {
    return declare(this, 'check whether it is pinned', () => native.mapIsPinned(this.#handle))
  }

  /** Whether libbpf made the map for a section: .rodata, .data, .bss or .kconfig. (`bpf_map__is_internal`) */
  get isInternal(): boolean {
    return (
      this.#owner !== undefined &&
      doWith(this, 'check whether it is internal', () => native.mapIsInternal(this.#handle))
    )
  }

  /**
   * The ids of the key and value types in the object's BTF; 0 if there is none.
   * (`bpf_map__btf_key_type_id`, `bpf_map__btf_value_type_id`)
   */
  get btfKeyTypeId(): number {
    return doWith(this, 'read the key type', () => native.mapBtfKeyTypeId(this.#handle))
  }
  get btfValueTypeId(): number {
    return doWith(this, 'read the value type', () => native.mapBtfValueTypeId(this.#handle))
  }

  /**
   * A copy of the bytes that a section or struct_ops map starts with; only until load. The bytes of a struct_ops map
   * are the kernel's struct as the object declares it, and the codec of that type reads and writes them. Its functions
   * are pointers that only libbpf understands: leave them as they are, or set them to 0n for no function.
   * (`bpf_map__initial_value`, `bpf_map__set_initial_value`)
   *
   * @example
   * const ops = obj.codec('tcp_congestion_ops')
   * const map = obj.map('counted')
   * map.initialValue = ops.encodeBytes({ ...ops.decodeBytes(map.initialValue!), name: 'other' })
   */
  get initialValue(): Uint8Array | undefined {
    return declare(this, 'read the initial value', () => native.mapInitialValue(this.#handle))
  }
  set initialValue(value: Uint8Array) {
    declare(this, 'set the initial value', () => native.mapSetInitialValue(this.#handle, value))
  }

  /**
   * The name of the only program that may use the map; see {@link setExclusiveProgram}.
   * (`bpf_map__exclusive_program`)
   */
  get exclusiveProgram(): string | undefined {
    return declare(this, 'read the exclusive program', () => native.mapExclusiveProgram(this.#handle))
  }

  /**
   * Makes the kernel refuse all other programs that use the map. Call it before load. (`bpf_map__set_exclusive_program`,
   * Linux 6.18)
   *
   * @param program - a program of the same object
   */
  setExclusiveProgram(program: Program): void {
    const handle = programHandles.of(program)
    declare(this, `make it exclusive to program '${program.name}'`, () =>
      native.mapSetExclusiveProgram(this.#handle, handle),
    )
  }

  // ---- The map in the kernel

  /**
   * Makes load use an existing map instead of creating one. The descriptor is duplicated. `maxEntries` and the flags
   * become those of the existing map. (`bpf_map__reuse_fd`)
   *
   * @throws BpfError ERR_BPF_MISMATCH if its type or sizes are not those that the programs were compiled for
   */
  reuse(map: BpfMap<unknown, unknown> | number): void {
    const fd = typeof map === 'number' ? map : map.fd
    const what = `reuse the map of fd ${fd}`
    declare(this, what, () => {
      if (native.mapFd(this.#handle) < 0) this.#expectLike(what, fd)
      native.mapReuseFd(this.#handle, fd)
    })
  }

  #expectLike(what: string, fd: number): void {
    let layout: MapLayout
    try {
      layout = layoutOfFd(fd)
    } catch {
      // libbpf asks the kernel the same question and reports the error.
      return
    }
    const { type, keySize, valueSize } = declaredLayout(this.#handle)
    const list = differences(layout, { type, keySize, valueSize })
    if (list.length === 0) return
    throw new BpfError(`map '${this.name}': ${what}: it has ${list.join(', ')}`, {
      ...subjectOf(this.#owner, this.name),
      code: 'ERR_BPF_MISMATCH',
    })
  }

  /**
   * The file descriptor, owned by the map or its object. (`bpf_map__fd`)
   *
   * @throws BpfError ERR_BPF_STATE before load
   */
  get fd(): number {
    const fd = doWith(this, 'read the fd', () => native.mapFd(this.#handle))
    if (fd >= 0) return fd
    throw stateError(this, 'is not in the kernel: load the object first, with autocreate on')
  }

  /** The kernel's id for the map. (Linux 4.13) */
  get id(): number {
    return this.info().id
  }

  /** What the kernel reports about the map. (`bpf_map_get_info_by_fd`, Linux 4.13) */
  info(): MapInfo {
    this.fd
    const { type, ...rest } = doWith(this, 'read the info', () => native.mapInfo(this.#handle))
    return { ...rest, type: mapTypeName(type) }
  }

  /**
   * The kernel memory that the map uses, in bytes. Since Linux 6.4 it is what the map has allocated at the moment.
   * Before, it is an estimate for a full map. (`memlock` of /proc/self/fdinfo)
   */
  get memoryUsed(): number {
    return kernelFacts(this.fd).memlock
  }

  /** Whether {@link freeze} was called for the map, so that system calls can only read it. (Linux 5.2) */
  get isFrozen(): boolean {
    return kernelFacts(this.fd).frozen
  }

  /**
   * Makes the map read-only for system calls, permanently. Programs can still write it. (`bpf_map_freeze`, Linux 5.2)
   */
  freeze(): void {
    this.fd
    doWith(this, 'freeze', () => native.mapFreeze(this.#handle))
  }

  /**
   * Pins the map to a path in a BPF file system, so that it stays when the process exits. Without a path it is pinned
   * to {@link pinPath}. (`bpf_map__pin`)
   *
   * @param options - `folder`: a descriptor of the folder that `path` is relative to (`bpf_obj_pin_opts`, Linux 6.5)
   */
  pin(path?: string, { folder }: PinFolder = {}): void {
    const { fd } = this
    if (folder !== undefined) pinAt({ map: this.name }, `map '${this.name}'`, fd, path, folder)
    else doWith(this, `pin to ${path ?? 'its pin path'}`, () => native.mapPin(this.#handle, path), path)
  }

  /** Removes the pin. (`bpf_map__unpin`) */
  unpin(path?: string): void {
    doWith(this, `unpin from ${path ?? 'its pin path'}`, () => native.mapUnpin(this.#handle, path), path)
  }

  /** Registers a struct_ops map. (`bpf_map__attach_struct_ops`, Linux 5.6) */
  attachStructOps(): Link {
    const handle = declare(this, 'attach', () => native.mapAttachStructOps(this.#handle))
    return this.#owner!.own(
      (onClose) => new Link(handle, { ...subjectOf(this.#owner, this.name), target: this.name }, onClose),
    )
  }

  /**
   * Closes a map that does not belong to an object. The maps of an object are closed together with it, so for them this
   * does nothing. You can call it twice.
   */
  close(): void {
    native.mapClose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function subjectOf(owner: Owner | undefined, name: string): Omit<Subject, 'what'> {
  return { object: owner?.name, map: name, capabilities: () => ['CAP_BPF'] }
}

/** Makes a native call about a map. @internal */
export function doWith<T>(map: MapProperties, what: string, call: () => T, target?: string): T {
  const { subject } = attachableMaps.of(map)
  return attempt({ ...subject, target, what: `map '${map.name}': ${what}` }, call)
}

/** The same for properties that only the maps of an object have. @internal */
export function declare<T>(map: MapProperties, what: string, call: () => T): T {
  if (attachableMaps.of(map).own === undefined)
    throw stateError(map, 'does not belong to an object: its properties are fixed')
  return doWith(map, what, call)
}

/** @internal */
export function stateError(map: MapProperties, is: string, code = 'ERR_BPF_STATE'): BpfError {
  return new BpfError(`map '${map.name}' ${is}`, { ...attachableMaps.of(map).subject, code })
}
