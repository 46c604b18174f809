import { constants } from 'node:os'
import type { MapHandle, NativeError, ObjectHandle } from '../../types/binding.js'
import { type Codec, type CodecOptions, compile } from '../btf/codec.js'
import { BtfTypes } from '../btf/parse.js'
import { Planner } from '../btf/plan.js'
import { attempt, attemptAsync } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import type { Subject } from '../errors/explain.js'
import { didYouMean } from '../errors/nearest.js'
import { PerfBuffer, type PerfBufferOptions } from '../events/perf-buffer.js'
import type { EventReader, EventReaderOptions } from '../events/reader.js'
import { RingBuffer, type RingBufferOptions } from '../events/ring-buffer.js'
import { UserRingBuffer } from '../events/user-ring-buffer.js'
import { Link } from '../links/link.js'
import { capabilitiesFor } from '../machine/capabilities.js'
import { bytesCodec, type ElementCodec } from '../maps/element-codec.js'
import { declaredLayout, differences, layoutOf } from '../maps/layout.js'
import { BpfMap } from '../maps/map.js'
import type { InnerDeclaration, MapCodecs } from '../maps/types.js'
import { native } from '../native/binding.js'
import { Program } from '../programs/program.js'
import { loadDispatcher } from './dispatcher.js'
import { type Globals, globalsOf } from './globals.js'
import { namedLinks, namedMap } from './named.js'
import { choosePortableMaps } from './portable-events.js'
import { type Replacement, type ReplaceOptions, replace } from './replace.js'
import type {
  Links,
  MapName,
  MapOf,
  Maps,
  OtherMapName,
  OtherSectionOf,
  ProgramName,
  Programs,
  RecordName,
  RecordOf,
  SectionName,
  SectionOf,
  Shape,
  StructOpsOf,
} from './shape.js'
import { type ObjectSource, toPathOrBytes } from './source.js'
import { type StructOps, structOpsOf } from './struct-ops.js'

/** libbpf's `bpf_object_open_opts`. */
export interface OpenOptions {
  /** Instead of the file's name without its endings. */
  name?: string
  /** Where maps with `LIBBPF_PIN_BY_NAME` are pinned; /sys/fs/bpf by default. */
  pinRootPath?: string
  /** Kernel configuration as `CONFIG_X=y` lines that add to, or replace, the running kernel's. */
  kconfig?: string
  /** A file with BTF to relocate against instead of the kernel's. */
  btfCustomPath?: string
  /** A delegated BPF file system to get a token from; '' for none. (Linux 6.9) */
  bpfTokenPath?: string
  /** Skips map attributes that libbpf does not know. */
  relaxedMaps?: boolean
  /** What the verifier is asked to log: 1 branches, 2 instructions, 4 statistics. */
  kernelLogLevel?: number
  /**
   * Bytes for the kernel's log, read with {@link BpfObject.kernelLog}. Without it libbpf keeps a buffer that grows with the log, and
   * a rejected program's whole log is in the error.
   */
  kernelLogSize?: number
}

const openArguments = [
  'source',
  'name',
  'pinRootPath',
  'kconfig',
  'btfCustomPath',
  'bpfTokenPath',
  'relaxedMaps',
  'kernelLogLevel',
  'kernelLogSize',
]

/** What there are codecs of, by name. */
const codecKinds = ['struct', 'union', 'enum', 'enum64', 'typedef'] as const

/** Codecs that were made before, by the id of their type: generated ones. Each is made for a name in errors. @internal */
export type ReadyCodecs = Readonly<Record<number, (name?: string) => unknown>>

/** A file that cannot be read at all; any other failure means that its BTF is damaged. */
const unreadable = new Set<number>([constants.errno.EISDIR, constants.errno.EIO, constants.errno.ESPIPE])

/** Programs may only read the map. */
const BPF_F_RDONLY_PROG = 1 << 7

/** Ids of types in the object's BTF; 0 for none. */
interface ElementTypes {
  key: number
  value: number
}

type State = 'open' | 'prepared' | 'loading' | 'loaded' | 'failed' | 'closed'

/**
 * A BPF object file: its programs, maps and global variables. Its life is libbpf's: open, set what is to be set, load, attach, close.
 *
 * @example
 * const obj = BpfObject.open('exec.bpf.o')
 * obj.map('events').maxEntries = 1 << 20
 * await obj.load()
 * obj.attach()
 * for await (const e of obj.ringBuffer('events', 'event')) console.log(e)
 *
 * @typeParam S - what is in it, for the type checker: see {@link Shape}
 */
export class BpfObject<S extends Shape = Shape> implements Disposable, AsyncDisposable {
  readonly #handle: ObjectHandle
  readonly #links: Set<Link>
  readonly #globals = new Map<string, Globals>()
  readonly #codecs: ReadyCodecs
  readonly #btfCustomPath: string | undefined
  #structOps: Readonly<Record<string, StructOps>> | undefined
  #state: State = 'open'
  #loadTried = false
  #types: BtfTypes | undefined
  readonly name: string
  /** In the file's order. */
  readonly programs: Programs<S>
  readonly maps: Maps<S>

  /**
   * Reads an object file. Asks nothing of the kernel. (`bpf_object__open_file`, `bpf_object__open_mem`)
   *
   * @param source - a path, a file: URL, or the file's bytes
   * @throws BpfError when it is not a BPF object of this machine's byte order
   */
  static open<S extends Shape = Shape>(source: ObjectSource, options: OpenOptions = {}): BpfObject<S> {
    return new BpfObject<S>(source, options)
  }

  /** Use {@link open}. @internal */
  protected constructor(source: ObjectSource, options: OpenOptions, codecs: ReadyCodecs = {}) {
    this.#codecs = codecs
    const from = toPathOrBytes(source)
    const { name, pinRootPath, kconfig, btfCustomPath, bpfTokenPath, relaxedMaps = false } = options
    const { kernelLogLevel = 0, kernelLogSize = 0 } = options
    this.#btfCustomPath = btfCustomPath
    const what = `open object ${name !== undefined ? `'${name}'` : typeof from === 'string' ? `'${from}'` : 'from bytes'}`
    const subject = {
      what,
      object: name,
      target: typeof from === 'string' ? from : undefined,
      arguments: openArguments,
      reason: ({ operation, errno }: NativeError) =>
        operation === 'btf__parse' && !unreadable.has(errno)
          ? `btfCustomPath ${btfCustomPath} is damaged: types refer to themselves, or have no size`
          : undefined,
    }
    this.#handle = attempt(subject, () =>
      native.objectOpen(
        from,
        name,
        pinRootPath,
        kconfig,
        btfCustomPath,
        bpfTokenPath,
        relaxedMaps,
        kernelLogLevel,
        kernelLogSize,
      ),
    )
    this.name = native.objectName(this.#handle)
    const owner = {
      name: this.name,
      own: <L extends Link>(make: (onClose: () => void) => L) => this.#own(make),
      btfFd: () => native.objectBtfFd(this.#handle),
      dispatch: (section: string, prepare: (dispatcher: Program) => void) =>
        loadDispatcher((bytes, name) => BpfObject.open(bytes, { name }), section, prepare),
    }
    const programs = native.objectPrograms(this.#handle).map((handle) => new Program(handle, owner))
    const maps = native.objectMaps(this.#handle).map((handle) => {
      // Now: load forgets the types of maps that the kernel wants none for, such as sockmaps.
      const types = { key: native.mapBtfKeyTypeId(handle), value: native.mapBtfValueTypeId(handle) }
      return new BpfMap<unknown, unknown>(
        handle,
        owner,
        native.mapIsInternal(handle) ? undefined : this.#codecsOfMap(types),
        this.#innerDeclaration(handle, owner.btfFd),
      )
    })
    this.programs = namedMap(programs.map((program) => [program.name, program])) as Programs<S>
    this.maps = namedMap(maps.map((map) => [map.name, map])) as Maps<S>
    const structOps = maps.filter((map) => map.type === 'struct_ops').map((map) => map.name)
    this.#links = namedLinks(this.programs.keys(), structOps)
  }

  /** @throws BpfError ERR_BPF_NOT_FOUND that names the nearest */
  program(name: ProgramName<S>): Program {
    return this.programs.get(name) ?? this.#notFound('program', name, this.programs.keys())
  }

  /**
   * A map by its name in C; the maps of sections are called '.rodata', '.bss', and so on.
   *
   * Keys and values are what their types in BTF make them (the type parameters are the caller's word for it), and bytes where the map was
   * declared with sizes only.
   *
   * @throws BpfError ERR_BPF_NOT_FOUND that names the nearest
   */
  map<N extends MapName<S>>(name: N): MapOf<S, N>
  map<K = Uint8Array, V = Uint8Array, W = V>(name: OtherMapName<S>): BpfMap<K, V, W>
  map(name: string): BpfMap<unknown, unknown> {
    return this.#map(name)
  }

  #map<K, V>(name: string): BpfMap<K, V> {
    const map = this.#findMap(name) ?? this.#notFound('map', name, this.maps.keys())
    return map as BpfMap<K, V>
  }

  // ---- Global variables

  /** The constants of `.rodata`, to be set before load. */
  get rodata(): SectionOf<S, 'rodata'> {
    return this.#section('.rodata') as SectionOf<S, 'rodata'>
  }

  /** The variables with an initial value; live after load. (Linux 5.5 for writing without a system call) */
  get data(): SectionOf<S, 'data'> {
    return this.#section('.data') as SectionOf<S, 'data'>
  }

  /** The variables without an initial value; live after load. */
  get bss(): SectionOf<S, 'bss'> {
    return this.#section('.bss') as SectionOf<S, 'bss'>
  }

  /** The kernel configuration that programs ask for; known after load. */
  get kconfig(): SectionOf<S, 'kconfig'> {
    return this.#section('.kconfig') as SectionOf<S, 'kconfig'>
  }

  /** The variables of any section, such as '.data.custom'. @throws BpfError ERR_BPF_NOT_FOUND */
  globals<N extends SectionName<S>>(section: N): OtherSectionOf<S, N>
  globals(section: string): Globals
  globals(section: string): Globals {
    return this.#section(section)
  }

  #section(section: string): Globals {
    let globals = this.#globals.get(section)
    if (globals === undefined) {
      const owner = this
      globals = globalsOf(
        {
          name: this.name,
          types: this.types,
          get loadTried() {
            return owner.#loadTried
          },
        },
        this.#map(section),
      )
      this.#globals.set(section, globals)
    }
    return globals
  }

  /**
   * The initial values of the struct_ops maps by name: what the kernel gets of a `struct tcp_congestion_ops`, to be changed before load. Functions are
   * programs, or undefined.
   *
   * @example obj.structOps.cubic.cong_avoid = obj.program('other_cong_avoid')
   */
  get structOps(): StructOpsOf<S> {
    const owner = this
    this.#structOps ??= structOpsOf(
      {
        name: this.name,
        get types() {
          return owner.types
        },
        programs: this.programs,
        get loadTried() {
          return owner.#loadTried
        },
      },
      this.maps.values(),
    )
    return this.#structOps as StructOpsOf<S>
  }

  // ---- Types

  /** The object's BTF. @throws BpfError ERR_BPF_NOT_FOUND where it has none */
  get types(): BtfTypes {
    if (this.#types === undefined) {
      const bytes = this.#do('read the BTF', () => native.objectBtf(this.#handle))
      if (bytes === undefined) {
        throw new BpfError(`object '${this.name}' carries no BTF: compile it with clang -g`, {
          code: 'ERR_BPF_NOT_FOUND',
          object: this.name,
        })
      }
      this.#types = new BtfTypes(bytes)
    }
    return this.#types
  }

  /** Reads and writes values of a type of the object: a struct, union, enum or typedef by its name in C. */
  codec<T = Record<string, unknown>>(type: string, options?: CodecOptions): Codec<T> {
    const { types } = this
    const found = types.find(type, 'struct') ?? types.find(type, 'union') ?? types.find(type)
    const names = () => codecKinds.flatMap((kind) => [...types.names(kind)])
    return this.#compile<T>(found?.id ?? this.#notFound('type', type, names()), options)
  }

  #compile<T>(typeId: number, options: CodecOptions = {}): Codec<T> {
    const { bigint = true, generate = true, name } = options
    const ready = bigint && generate ? this.#codecs[typeId]?.(name) : undefined
    return (ready ?? compile(this.types, typeId, options)) as Codec<T>
  }

  // ---- Life

  /** Whether it is in the kernel. */
  get loaded(): boolean {
    return this.#state === 'loaded'
  }

  get closed(): boolean {
    return this.#state === 'closed'
  }

  /**
   * Of several programs that do the same by different hooks keeps the first that this kernel lets in, and takes autoload from the others. For what not each
   * kernel has: fentry with a kprobe behind it. Before load. (What `fentry_can_attach` is for in libbpf's tools.)
   *
   * @param names - in the order of preference
   * @returns the program that is kept
   * @throws BpfError ENOTSUP that says of each why not, see {@link Program.refusal}
   *
   * @example
   * const { name } = obj.choose('unlink_fentry', 'unlink_kprobe')
   * await obj.load()
   * obj.attach()
   */
  choose(...names: ProgramName<S>[]): Program {
    if (this.#state !== 'open' && this.#state !== 'prepared') throw this.#stateError('choose a program of')
    if (names.length === 0) throw new TypeError('choose wants the names of programs')
    const programs = names.map((name) => this.program(name))
    const refusals: string[] = []
    for (const program of programs) {
      const refusal = program.refusal()
      if (refusal === undefined) {
        for (const other of programs) other.autoload = other === program
        return program
      }
      refusals.push(refusal.message)
    }
    throw new BpfError(`choose a program of object '${this.name}': ${refusals.join('; ')}`, {
      code: 'ENOTSUP',
      errno: constants.errno.ENOTSUP,
      object: this.name,
    })
  }

  /**
   * Everything of load but the programs' verification: maps exist and have descriptors. On libuv's pool. (`bpf_object__prepare`,
   * libbpf 1.6)
   */
  async prepare(): Promise<void> {
    this.#beginLoading('prepare')
    await this.#settle('prepared', () => native.objectPrepare(this.#handle))
  }

  /** Like {@link prepare}, and waits. */
  prepareSync(): void {
    this.#beginLoading('prepare')
    this.#settleSync('prepared', () => native.objectPrepareSync(this.#handle))
  }

  /**
   * Relocates, makes the maps, has the kernel verify the programs. On libuv's pool; until it ends nothing else can be done with the object
   * (ERR_BPF_BUSY) but close it. (`bpf_object__load`)
   *
   * @throws VerifierError when the kernel rejects a program
   * @throws BpfError for anything else; the object can then only be closed
   */
  async load(): Promise<void> {
    this.#beginLoading('load')
    await this.#settle('loaded', () => native.objectLoad(this.#handle))
  }

  /** Like {@link load}, and waits. */
  loadSync(): void {
    this.#beginLoading('load')
    this.#settleSync('loaded', () => native.objectLoadSync(this.#handle))
  }

  /**
   * Attaches what is loaded and has autoattach on: each program to what its SEC() names, then the struct_ops maps. Those whose section does
   * not say to what are left out. When one fails those before it are detached again. (libbpf's skeletons do the same.)
   */
  attach(): Link[] {
    this.#expectLoaded('attach')
    const links: Link[] = []
    try {
      for (const program of this.programs.values()) {
        const link = program.autoattach && program.loaded ? program.tryAttach() : undefined
        if (link !== undefined) links.push(link)
      }
      for (const map of this.maps.values()) {
        if (map.type === 'struct_ops' && map.autoattach && map.autocreate) links.push(map.attachStructOps())
      }
    } catch (error) {
      for (const link of links) link.close()
      throw error
    }
    return links
  }

  /**
   * Another version takes this one's place: it takes over the maps of the same names with what is in them, is loaded, and then its programs
   * take the place of those of the same names in all links that are open. The links are then the other object's, this one's programs run no
   * more, and readers of its maps go on. Where it is not loaded, or a link refuses, all stays as it was, and `next` has failed: close it.
   *
   * No event is lost. None is seen by both versions where the kernel updates links (XDP, TCX, cgroup and so on: see {@link Link.update}), and for
   * programs that were attached with {@link Program.replaceable}; else the new program is attached before the old one is detached, and
   * the events of that moment are seen by both.
   *
   * @param next - open, and not loaded
   * @throws VerifierError, BpfError as {@link load} and the methods that attach do; ERR_BPF_NOT_FOUND where `next` lacks a program that
   * has a link; ERR_BPF_STATE where a map differs
   * @example
   * const next = BpfObject.open('exec-2.bpf.o')
   * await obj.replace(next)
   * obj.close()
   */
  async replace(next: BpfObject<Shape>, options: ReplaceOptions = {}): Promise<Replacement> {
    this.#expectLoaded('replace')
    if (!(next instanceof BpfObject)) throw new TypeError('next is not a BpfObject of libbpf-node')
    if (next.#state !== 'open') throw next.#stateError(`replace object '${this.name}' with`)
    choosePortableMaps(next)
    return replace(this as BpfObject<Shape>, next, options)
  }

  /** The links that are open, of this object's programs. */
  get links(): Links<S> {
    return this.#links as ReadonlySet<Link> as Links<S>
  }

  /**
   * A consumer of one of the object's ring buffers, after load.
   *
   * @param map - the map's name; `${map}_lost`, where there is one, counts what was lost
   * @param type - the type of its records by its name in C; without it they are bytes
   */
  ringBuffer<N extends RecordName<S>>(
    map: N,
    type: string,
    options?: RingBufferOptions,
  ): RingBuffer<RecordOf<S, N>>
  ringBuffer(map: string, type?: undefined, options?: RingBufferOptions): RingBuffer
  ringBuffer<T = Record<string, unknown>>(
    map: string,
    type: string,
    options?: RingBufferOptions<T>,
  ): RingBuffer<T>
  ringBuffer<T>(map: string, type?: string, options: RingBufferOptions = {}): RingBuffer<T> | RingBuffer {
    this.#expectLoaded('read a ring buffer of')
    const lost = this.maps.get(`${map}_lost`) as BpfMap<number, bigint[]> | undefined
    if (type === undefined)
      return new RingBuffer(this.#map(map), { lost, ...options } as RingBufferOptions<Uint8Array>)
    return new RingBuffer<T>(this.#map(map), { lost, ...options, codec: this.codec<T>(type) })
  }

  /**
   * A consumer of a map that was declared with LIBBPF_NODE_EVENTS of `libbpf-node.bpf.h`: a ring buffer where the kernel has them (Linux 5.8),
   * else a perf buffer. As {@link ringBuffer}.
   */
  events<N extends RecordName<S>>(
    map: N,
    type: string,
    options?: EventReaderOptions,
  ): EventReader<RecordOf<S, N>>
  events(map: string, type?: undefined, options?: EventReaderOptions): EventReader<Uint8Array>
  events<T = Record<string, unknown>>(map: string, type: string, options?: EventReaderOptions): EventReader<T>
  events<T>(
    map: string,
    type?: string,
    options: EventReaderOptions = {},
  ): EventReader<T> | EventReader<Uint8Array> {
    this.#expectLoaded('read events of')
    const isRing = this.#map(map).type === 'ringbuf'
    if (type === undefined) {
      return isRing ? this.ringBuffer(map, undefined, options) : this.perfBuffer(map, undefined, options)
    }
    return isRing ? this.ringBuffer<T>(map, type, options) : this.perfBuffer<T>(map, type, options)
  }

  /** A consumer of one of the object's perf event arrays, after load; as {@link ringBuffer}. */
  perfBuffer<N extends RecordName<S>>(
    map: N,
    type: string,
    options?: PerfBufferOptions,
  ): PerfBuffer<RecordOf<S, N>>
  perfBuffer(map: string, type?: undefined, options?: PerfBufferOptions): PerfBuffer
  perfBuffer<T = Record<string, unknown>>(
    map: string,
    type: string,
    options?: PerfBufferOptions<T>,
  ): PerfBuffer<T>
  perfBuffer<T>(map: string, type?: string, options: PerfBufferOptions = {}): PerfBuffer<T> | PerfBuffer {
    this.#expectLoaded('read a perf buffer of')
    if (type === undefined) return new PerfBuffer(this.#map(map), options as PerfBufferOptions<Uint8Array>)
    return new PerfBuffer<T>(this.#map(map), { ...options, codec: this.codec<T>(type) })
  }

  /** The producer of one of the object's user ring buffers, after load; as {@link ringBuffer}. */
  userRingBuffer<N extends RecordName<S>>(map: N, type: string): UserRingBuffer<RecordOf<S, N>>
  userRingBuffer(map: string): UserRingBuffer
  userRingBuffer<T = Record<string, unknown>>(map: string, type: string): UserRingBuffer<T>
  userRingBuffer<T>(map: string, type?: string): UserRingBuffer<T> | UserRingBuffer {
    this.#expectLoaded('write to a user ring buffer of')
    if (type === undefined) return new UserRingBuffer<Uint8Array>(this.#map(map))
    return new UserRingBuffer<T>(this.#map(map), { codec: this.codec<T>(type) })
  }

  /** Pins all maps to files, programs to folders of their names. (`bpf_object__pin`) */
  pin(path: string): void {
    this.#expectLoaded('pin')
    this.#do(`pin to ${path}`, () => native.objectPin(this.#handle, path), path)
  }

  /** (`bpf_object__unpin`) */
  unpin(path: string): void {
    this.#expectLoaded('unpin')
    this.#do(`unpin from ${path}`, () => native.objectUnpin(this.#handle, path), path)
  }

  /** Into a folder, or without one those with a pin path to it. (`bpf_object__pin_maps`) */
  pinMaps(path?: string): void {
    this.#expectLoaded('pin the maps of')
    this.#do(
      `pin the maps to ${path ?? 'their pin paths'}`,
      () => native.objectPinMaps(this.#handle, path),
      path,
    )
  }

  /** (`bpf_object__unpin_maps`) */
  unpinMaps(path?: string): void {
    this.#expectLoaded('unpin the maps of')
    this.#do(
      `unpin the maps from ${path ?? 'their pin paths'}`,
      () => native.objectUnpinMaps(this.#handle, path),
      path,
    )
  }

  /** (`bpf_object__pin_programs`) */
  pinPrograms(path: string): void {
    this.#expectLoaded('pin the programs of')
    this.#do(`pin the programs to ${path}`, () => native.objectPinPrograms(this.#handle, path), path)
  }

  /** (`bpf_object__unpin_programs`) */
  unpinPrograms(path: string): void {
    this.#expectLoaded('unpin the programs of')
    this.#do(`unpin the programs from ${path}`, () => native.objectUnpinPrograms(this.#handle, path), path)
  }

  /** What the kernel wrote into the buffer of {@link OpenOptions.kernelLogSize}. */
  get kernelLog(): string {
    return this.#do('read the kernel log', () => native.objectKernelLog(this.#handle))
  }

  /** The descriptor of the BPF token that it loads with, if any. (`bpf_object__token_fd`) */
  get tokenFd(): number | undefined {
    const fd = this.#do('read the token fd', () => native.objectTokenFd(this.#handle))
    return fd >= 0 ? fd : undefined
  }

  /**
   * Detaches its links that are not pinned, then lets go of programs and maps. While it loads: as soon as that has ended, and load rejects with
   * ERR_BPF_CLOSED. Closing twice is fine. (`bpf_object__close`)
   */
  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    for (const link of [...this.#links]) link.close()
    native.objectClose(this.#handle)
  }

  /** The same with its links closed on libuv's pool: hundreds of them would hold the event loop. */
  async closeAsync(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    const closing = Link.closeAll(this.#links)
    // Natively it's closed when the last of them is.
    native.objectClose(this.#handle)
    await closing
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.closeAsync()
  }

  // ----

  #findMap(name: string): BpfMap<unknown, unknown> | undefined {
    const map = this.maps.get(name)
    if (map !== undefined || !name.startsWith('.')) return map
    // The kernel's names are short, so libbpf calls the first sections 'obj.rodata', with a piece of the object's name in front.
    for (const [full, section] of this.maps) {
      if (section.isInternal && full.endsWith(name) && !full.slice(0, -name.length).includes('.'))
        return section
    }
    return undefined
  }

  /** Without BTF its keys and values are bytes. */
  #codecsOfMap(types: ElementTypes): ((map: BpfMap<unknown, unknown>) => MapCodecs) | undefined {
    if (types.key === 0 && types.value === 0) return undefined
    return (map) => this.#mapCodecs(map, types)
  }

  /** Of a map of maps. Now, too: load lets go of it. */
  #innerDeclaration(outer: MapHandle, btfFd: () => number): InnerDeclaration | undefined {
    const inner = native.mapInnerMap(outer)
    if (inner === undefined) return undefined
    const types = { key: native.mapBtfKeyTypeId(inner), value: native.mapBtfValueTypeId(inner) }
    return { layout: declaredLayout(inner), codecs: this.#codecsOfMap(types), btf: { ...types, fd: btfFd } }
  }

  #mapCodecs(map: BpfMap<unknown, unknown>, types: ElementTypes): MapCodecs {
    // Bytes where there is no type, as for the keys of queues, or where the size was set to another before load.
    const element = (name: string, type: number, size: number): ElementCodec => {
      const codec = type === 0 ? undefined : this.#compile(type, { name })
      return codec?.size === size ? codec : (bytesCodec(name, size) as ElementCodec)
    }
    const value = element('value', types.value, map.valueSize)
    const isTyped = 'size' in value
    return {
      key: element('key', types.key, map.keySize),
      value,
      ...(isTyped && {
        plan: () => new Planner(this.types, false).plan(types.value),
        littleEndian: this.types.littleEndian,
      }),
    }
  }

  #own<L extends Link>(make: (onClose: () => void) => L): L {
    const link: L = make(() => this.#links.delete(link))
    this.#links.add(link)
    return link
  }

  #beginLoading(what: string): void {
    const allowed = this.#state === 'open' || (this.#state === 'prepared' && what === 'load')
    if (!allowed) throw this.#stateError(what)
    if (this.#state === 'open') choosePortableMaps(this)
    this.#loadTried = true
    this.#state = 'loading'
  }

  async #settle(end: State, call: () => Promise<void>): Promise<void> {
    try {
      await attemptAsync(this.#loadSubject, call)
    } catch (error) {
      // Nothing can be asked of a closed object, its capabilities and logs neither.
      if (this.#end('failed') === 'closed') throw this.#stateError('load')
      throw error
    }
    if (this.#end(end) === 'closed') throw this.#stateError('load')
  }

  #settleSync(end: State, call: () => void): void {
    try {
      attempt(this.#loadSubject, call)
    } catch (error) {
      this.#end('failed')
      throw error
    }
    // By a logger.
    if (this.#end(end) === 'closed') throw this.#stateError('load')
  }

  /** It may have been closed meanwhile. */
  #end(state: State): State {
    if (this.#state !== 'closed') this.#state = state
    return this.#state
  }

  get #loadSubject(): Subject {
    return {
      what: `load object '${this.name}'`,
      object: this.name,
      capabilities: () =>
        capabilitiesFor([...this.programs.values()].filter((p) => p.autoload).map((p) => p.type)),
      kernelLog: () => native.objectKernelLog(this.#handle),
      reason: ({ log }) => this.#pinMismatch(log) ?? this.#btfFault(log),
    }
  }

  #btfFault(log: string): string | undefined {
    const isIt = /^(?!.*failed to get EHDR).*failed to parse target BTF/s.test(log)
    return isIt ? `btfCustomPath ${this.#btfCustomPath} cannot be read as BTF to relocate against` : undefined
  }

  /** Every difference between a map and what is pinned where it is to be. */
  #pinMismatch(log: string): string | undefined {
    const path = /couldn't reuse pinned map at '(.+)': parameter mismatch/.exec(log)?.[1]
    const map = [...this.maps.values()].find(({ isInternal, pinPath }) => !isInternal && pinPath === path)
    if (path === undefined || map === undefined) return undefined
    try {
      using pinned = BpfMap.fromPin(path)
      const found = layoutOf(pinned)
      // The kernel adds BPF_F_RDONLY_PROG to those by itself, and libbpf looks past it.
      if (found.type.startsWith('devmap')) found.flags &= ~BPF_F_RDONLY_PROG
      const list = differences(found, layoutOf(map))
      if (list.length === 0) return undefined
      return `map '${map.name}' does not fit what is pinned at ${path}, which has ${list.join(', ')}; remove the file, or set the map to be like it`
    } catch {
      // Gone meanwhile.
      return undefined
    }
  }

  #expectLoaded(what: string): void {
    if (this.#state !== 'loaded') throw this.#stateError(what)
  }

  #stateError(what: string): BpfError {
    const states: Record<State, [code: string, why: string]> = {
      open: ['ERR_BPF_STATE', 'it is not loaded yet'],
      prepared: ['ERR_BPF_STATE', 'it is prepared, but not loaded yet'],
      loading: ['ERR_BPF_BUSY', 'it is loading; wait for load() to end'],
      loaded: ['ERR_BPF_STATE', 'it is loaded already'],
      failed: ['ERR_BPF_STATE', 'it failed to load; open it anew'],
      closed: ['ERR_BPF_CLOSED', 'it is closed'],
    }
    const [code, why] = states[this.#state]
    return new BpfError(`${what} object '${this.name}': ${why}`, { code, object: this.name })
  }

  #notFound(what: string, name: string, names: Iterable<string>): never {
    throw new BpfError(`object '${this.name}' has no ${what} '${name}'${didYouMean(String(name), names)}`, {
      code: 'ERR_BPF_NOT_FOUND',
      object: this.name,
    })
  }

  #do<T>(what: string, call: () => T, target?: string): T {
    return attempt(
      { object: this.name, target, what: `object '${this.name}': ${what}`, capabilities: () => ['CAP_BPF'] },
      call,
    )
  }
}
