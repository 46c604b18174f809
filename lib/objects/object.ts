import { constants } from 'node:os'
import type { ObjectHandle } from '../../types/binding.js'
import { type Codec, type CodecOptions, compile, titleOf } from '../btf/codec.js'
import { BtfTypes } from '../btf/parse.js'
import { Planner } from '../btf/plan.js'
import { setViewSource } from '../btf/record-view.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import type { Subject } from '../errors/explain.js'
import { didYouMean } from '../errors/nearest.js'
import { PerfBuffer, type PerfBufferOptions } from '../events/perf-buffer.js'
import type { EventReader, EventReaderOptions } from '../events/reader.js'
import { RingBuffer, type RingBufferOptions } from '../events/ring-buffer.js'
import { UserRingBuffer } from '../events/user-ring-buffer.js'
import { Link } from '../links/link.js'
import { BpfMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { Program } from '../programs/program.js'
import type { ProgramOwner } from '../programs/properties.js'
import { arenaOf } from './arena.js'
import { loadDispatcher } from './dispatcher.js'
import { type Globals, globalsOf } from './globals.js'
import { loadSubject } from './load-errors.js'
import { LoadState } from './load-state.js'
import { codecsOf, innerDeclaration } from './map-codecs.js'
import { type Migrations, PinMigration } from './migrate.js'
import { namedMap, nameLinks } from './named.js'
import { customBtf, type OpenOptions, openSubject } from './open-options.js'
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

/** Options for {@link BpfObject.load}. */
export interface LoadOptions {
  /**
   * How to convert the entries of maps that an earlier version has pinned with other types, sizes or flags. libbpf
   * refuses such a map. With a function for it, load creates a new map, fills it with what the function returns for
   * each entry, and then pins it in place of the old one. Anyone who opens the path always finds a complete map. If the
   * function throws or the new map has no room, load throws, and the old map stays pinned: close the object then.
   *
   * A map that has not changed is used as it is, and one that is not pinned yet is created.
   *
   * @example
   * await obj.load({ migrate: { counts: (pid: number, count: bigint) => [pid, { count, bytes: 0n }] } })
   */
  migrate?: Migrations
}

/** The kinds of types that can have a codec by name. */
const codecKinds = ['struct', 'union', 'enum', 'enum64', 'typedef'] as const

/** Generated codecs by the id of their type. Each function makes one that uses the name in its errors. */
export type ReadyCodecs = Readonly<Record<number, (name?: string) => unknown>>

/**
 * A BPF object file with its programs, maps and global variables.
 *
 * An object has libbpf's life cycle: open it, configure it, load it into the kernel, attach its programs, and close it.
 *
 * @example
 * const obj = BpfObject.open('exec.bpf.o')
 * obj.map('events').maxEntries = 1 << 20
 * await obj.load()
 * obj.attach()
 * for await (const e of obj.ringBuffer('events', 'event')) console.log(e)
 *
 * @typeParam S - describes the content for the type checker, see {@link Shape}
 */
export class BpfObject<S extends Shape = Shape> implements Disposable, AsyncDisposable {
  readonly #handle: ObjectHandle
  readonly #state: LoadState
  readonly #links = new Set<Link>()
  readonly #globals = new Map<string, Globals>()
  #arena: Globals | undefined
  readonly #codecs: ReadyCodecs
  /** The option with the BTF to relocate against, for errors. */
  readonly #btfCustom: string | undefined
  #structOps: Readonly<Record<string, StructOps>> | undefined
  #types: BtfTypes | undefined
  // These are made when they are first used: an object can have hundreds of programs.
  #owner: ProgramOwner | undefined
  #programs: Programs<S> | undefined
  #maps: Maps<S> | undefined
  #linksHaveNames = false
  /** The object's name, from the option `name` or the file's name. (`bpf_object__name`) */
  readonly name: string

  /**
   * Opens an object file. Nothing is loaded into the kernel yet. (`bpf_object__open_file`, `bpf_object__open_mem`)
   *
   * @param source - a path, a `file:` URL, or the bytes of the file
   * @throws BpfError if it is not a BPF object, or has another byte order than this machine
   */
  static open<S extends Shape = Shape>(source: ObjectSource, options: OpenOptions = {}): BpfObject<S> {
    return new BpfObject<S>(source, options)
  }

  /** Use {@link open}. @internal */
  protected constructor(source: ObjectSource, options: OpenOptions, codecs: ReadyCodecs = {}) {
    const from = toPathOrBytes(source)
    const { name, pinRootPath, kconfig, bpfTokenPath, relaxedMaps = false } = options
    const btfCustom = customBtf(options)
    const { kernelLogLevel = 0, kernelLogSize = 0 } = options
    this.#codecs = codecs
    this.#btfCustom =
      btfCustom === undefined
        ? undefined
        : `btfCustom${typeof btfCustom === 'string' ? `Path ${btfCustom}` : ''}`
    this.#handle = attempt(openSubject(from, options), () =>
      native.objectOpen(
        from,
        name,
        pinRootPath,
        kconfig,
        btfCustom,
        bpfTokenPath,
        relaxedMaps,
        kernelLogLevel,
        kernelLogSize,
      ),
    )
    this.name = native.objectName(this.#handle)
    this.#state = new LoadState(this.name)
  }

  /** The programs by name, in the order of the file. A program is also a property: `obj.programs.on_exec`. */
  get programs(): Programs<S> {
    this.#programs ??= this.#do('list the programs', () => {
      const owner = this.#ownerOfParts
      const programs = native.objectPrograms(this.#handle).map((handle) => new Program(handle, owner))
      return namedMap(programs.map((program) => [program.name, program])) as Programs<S>
    })
    return this.#programs
  }

  /** The maps by name, in the order of the file. A map is also a property: `obj.maps.events`. */
  get maps(): Maps<S> {
    this.#maps ??= this.#do('list the maps', () => {
      const owner = this.#ownerOfParts
      const object = this
      const types = {
        get types() {
          return object.types
        },
        compile: (typeId: number, options: CodecOptions) => this.#compile(typeId, options),
        btfFd: owner.btfFd,
      }
      const maps = native.objectMaps(this.#handle).map((handle) => {
        const codecs = native.mapIsInternal(handle) ? undefined : codecsOf(types, handle)
        return new BpfMap<unknown, unknown>(handle, owner, codecs, innerDeclaration(types, handle))
      })
      return namedMap(maps.map((map) => [map.name, map])) as Maps<S>
    })
    return this.#maps
  }

  get #ownerOfParts(): ProgramOwner {
    this.#owner ??= {
      name: this.name,
      own: (make) => this.#own(make),
      btfFd: () => native.objectBtfFd(this.#handle),
      expectPrepared: (what) => this.#expectPrepared(what),
      load: () => this.load(),
      prepare: () => this.prepare(),
      types: () => (native.objectBtf(this.#handle) === undefined ? undefined : this.types),
      dispatch: (section, prepare) =>
        loadDispatcher((bytes, name) => BpfObject.open(bytes, { name }), section, prepare),
    }
    return this.#owner
  }

  /**
   * A program by its name in C.
   *
   * @throws BpfError ERR_BPF_NOT_FOUND, with the most similar name
   */
  program(name: ProgramName<S>): Program {
    return this.programs.get(name) ?? this.#notFound('program', name, this.programs.keys())
  }

  /**
   * A map by its name in C. The maps that hold the global variables have the names of their sections: '.rodata',
   * '.bss'.
   *
   * Keys and values have the types from the object's BTF, or are bytes if the map was declared with sizes only. The
   * type parameters are unchecked assertions.
   *
   * @throws BpfError ERR_BPF_NOT_FOUND, with the most similar name
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

  /** The constants in `.rodata`. Set them before load. */
  get rodata(): SectionOf<S, 'rodata'> {
    return this.#section('.rodata') as SectionOf<S, 'rodata'>
  }

  /**
   * The variables with an initial value. After load they are the programs' own memory. (Linux 5.5; before that each
   * access is a system call)
   */
  get data(): SectionOf<S, 'data'> {
    return this.#section('.data') as SectionOf<S, 'data'>
  }

  /** The variables without an initial value. After load they are the programs' own memory, like {@link data}. */
  get bss(): SectionOf<S, 'bss'> {
    return this.#section('.bss') as SectionOf<S, 'bss'>
  }

  /** The kernel configuration that the programs read, such as `CONFIG_HZ`. The values are known after load. */
  get kconfig(): SectionOf<S, 'kconfig'> {
    return this.#section('.kconfig') as SectionOf<S, 'kconfig'>
  }

  /**
   * The data that the object's programs and this process share in an arena, live: the members of the interface of an
   * arena in TypeScript, or the global variables with `__arena` in C. A pointer to a struct reads as that struct, or as
   * null, and you can assign another struct of the arena to it. Without an arena, there are no variables. You can use
   * them once the object is loaded; `map(...).mmapArena()` reads and writes the memory by offset. (Linux 6.9)
   *
   * @example for (let item = obj.arena.first; item !== null; item = item.next) console.log(item.value)
   * @throws BpfError before the object is loaded
   */
  get arena(): SectionOf<S, 'arena'> {
    this.#arena ??= arenaOf(this.types, this.maps.values())
    return this.#arena as SectionOf<S, 'arena'>
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
            return owner.#state.tried
          },
        },
        this.#map(section),
      )
      this.#globals.set(section, globals)
    }
    return globals
  }

  /**
   * The initial values of the struct_ops maps by name, for example of a `struct tcp_congestion_ops`. Change them
   * before load. A member that is a function holds a {@link Program} or `undefined`.
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
          return owner.#state.tried
        },
      },
      this.maps.values(),
    )
    return this.#structOps as StructOpsOf<S>
  }

  // ---- Types

  /** The types in the object's BTF. @throws BpfError ERR_BPF_NOT_FOUND if it has no BTF */
  get types(): BtfTypes {
    if (this.#types === undefined) {
      const bytes = this.#do('read the BTF', () => native.objectBtf(this.#handle))
      if (bytes === undefined) {
        throw new BpfError(`object '${this.name}' has no BTF: compile it with clang -g`, {
          code: 'ERR_BPF_NOT_FOUND',
          object: this.name,
        })
      }
      this.#types = new BtfTypes(bytes)
    }
    return this.#types
  }

  /**
   * A codec that reads and writes values of one of the object's types: a struct, union, enum or typedef.
   *
   * @param type - the name in C, without `struct`
   * @throws BpfError ERR_BPF_NOT_FOUND, with the most similar name
   */
  codec<T = Record<string, unknown>>(type: string, options?: CodecOptions): Codec<T> {
    const { types } = this
    const found = types.find(type, 'struct') ?? types.find(type, 'union') ?? types.find(type)
    const names = () => codecKinds.flatMap((kind) => [...types.names(kind)])
    return this.#compile<T>(found?.id ?? this.#notFound('type', type, names()), options)
  }

  #compile<T>(typeId: number, options: CodecOptions = {}): Codec<T> {
    const { bigint = true, generate = true, name } = options
    const ready = bigint && generate ? this.#codecs[typeId]?.(name) : undefined
    if (ready === undefined) return compile<T>(this.types, typeId, options)
    const { types } = this
    setViewSource(ready as object, () => {
      const plan = new Planner(types, false).plan(typeId)
      return { plan, littleEndian: types.littleEndian, root: name ?? titleOf(types, typeId, plan).root }
    })
    return ready as Codec<T>
  }

  // ---- Life cycle

  /** Whether the object is in the kernel. */
  get loaded(): boolean {
    return this.#state.is('loaded')
  }

  /** Whether the object was closed. */
  get closed(): boolean {
    return this.#state.is('closed')
  }

  /**
   * Keeps the first of several equivalent programs that this kernel accepts, and disables autoload for the others. Use
   * it before load, for hooks that not every kernel has: an fentry program with a kprobe program as the fallback.
   *
   * @param names - the programs, in the order of preference
   * @returns the program that was kept
   * @throws BpfError ENOTSUP that says for each program why it is not accepted, see {@link Program.refusal}
   *
   * @example
   * const { name } = obj.choose('unlink_fentry', 'unlink_kprobe')
   * await obj.load()
   * obj.attach()
   */
  choose(...names: ProgramName<S>[]): Program {
    this.#state.expect('choose a program of', 'open', 'prepared')
    if (names.length === 0) throw new TypeError('choose() needs the name of at least one program')
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
   * Does everything that {@link load} does except for loading the programs. The maps exist then and have descriptors.
   * Runs on libuv's pool. (`bpf_object__prepare`, libbpf 1.6)
   */
  async prepare(): Promise<void> {
    this.#begin('prepare')
    await this.#state.run('prepared', this.#loadSubject, () => native.objectPrepare(this.#handle))
  }

  /** Like {@link prepare}, but blocks until it is done. */
  prepareSync(): void {
    this.#begin('prepare')
    this.#state.runSync('prepared', this.#loadSubject, () => native.objectPrepareSync(this.#handle))
  }

  /**
   * Relocates the object, creates its maps, and loads its programs, which the kernel verifies. Runs on libuv's pool.
   * Until it is done you can only close the object; everything else throws ERR_BPF_BUSY. (`bpf_object__load`)
   *
   * @throws VerifierError if the kernel rejects a program
   * @throws BpfError for anything else that fails; afterwards you can only close the object
   */
  async load({ migrate }: LoadOptions = {}): Promise<void> {
    using migration = migrate && new PinMigration(this as BpfObject<Shape>, migrate)
    this.#begin('load')
    await this.#state.run('loaded', this.#loadSubject, () => native.objectLoad(this.#handle))
    await migration?.run()
  }

  /** Like {@link load}, but blocks until it is done. */
  loadSync(): void {
    this.#begin('load')
    this.#state.runSync('loaded', this.#loadSubject, () => native.objectLoadSync(this.#handle))
  }

  /**
   * Attaches every loaded program that has autoattach on to the hook that its SEC() names, and then the struct_ops
   * maps. Programs whose section names no hook are skipped. If one fails, those that were attached before it are
   * detached again. (libbpf's skeletons do the same.)
   *
   * @returns the new links, which are also in {@link links}
   */
  attach(): Link[] {
    this.#state.expect('attach', 'loaded')
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
   * Replaces this object with another version of it while it runs. The new version takes over the maps with the same
   * names, including their content, and is loaded. Then its programs replace the programs with the same names in all
   * open links. These links belong to `next` from then on, this object's programs no longer run, and readers of its
   * maps keep reading.
   *
   * If loading fails or a link cannot be moved, nothing changes; close `next`. Links whose target no longer exists are
   * reported in {@link Replacement.gone}.
   *
   * No event is lost. Each event is seen by exactly one version if the kernel can update the link (XDP, TCX, cgroup
   * and others: see {@link Link.update}), or if the program was attached with {@link Program.replaceable}. Otherwise
   * the new program is attached before the old one is detached, and both see the events in between.
   *
   * @param next - an object that is open and not loaded
   * @throws VerifierError or BpfError as {@link load} and the attach methods do; ERR_BPF_NOT_FOUND if `next` does
   * not have a program that has a link; ERR_BPF_MISMATCH if a map differs
   *
   * @example
   * const next = BpfObject.open('exec-2.bpf.o')
   * await obj.replace(next)
   * obj.close()
   */
  async replace(next: BpfObject<Shape>, options: ReplaceOptions = {}): Promise<Replacement> {
    this.#state.expect('replace', 'loaded')
    if (!(next instanceof BpfObject)) throw new TypeError('next is not a BpfObject of libbpf-node')
    next.#state.expect(`replace object '${this.name}' with`, 'open')
    choosePortableMaps(next)
    return replace(this as BpfObject<Shape>, next, options)
  }

  /** The open links of this object's programs and struct_ops maps. */
  get links(): Links<S> {
    // A closed object has no links, and libbpf has forgotten its programs.
    if (!this.#linksHaveNames && !this.closed) {
      const structOps = [...this.maps.values()].filter((map) => map.type === 'struct_ops')
      nameLinks(
        this.#links,
        this.programs.keys(),
        structOps.map((map) => map.name),
      )
      this.#linksHaveNames = true
    }
    return this.#links as ReadonlySet<Link> as Links<S>
  }

  /**
   * Creates a consumer for one of the object's ring buffers. Load the object first. (Linux 5.8)
   *
   * If the object has a map with the name `${map}_lost`, the consumer counts the lost records with it.
   *
   * @param map - the name of the map
   * @param type - the C type of its records; without it they are bytes
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
    this.#state.expect('read a ring buffer of', 'loaded')
    const lost = this.maps.get(`${map}_lost`) as BpfMap<number, bigint[]> | undefined
    if (type === undefined)
      return new RingBuffer(this.#map(map), { lost, ...options } as RingBufferOptions<Uint8Array>)
    return new RingBuffer<T>(this.#map(map), { lost, ...options, codec: this.codec<T>(type) })
  }

  /**
   * Creates a consumer for a map that is declared with `LIBBPF_NODE_EVENTS` of `libbpf-node.bpf.h`. The map is a ring
   * buffer if the kernel has them (Linux 5.8), and a perf buffer otherwise. The parameters are those of {@link
   * ringBuffer}.
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
    this.#state.expect('read events of', 'loaded')
    const isRing = this.#map(map).type === 'ringbuf'
    if (type === undefined) {
      return isRing ? this.ringBuffer(map, undefined, options) : this.perfBuffer(map, undefined, options)
    }
    return isRing ? this.ringBuffer<T>(map, type, options) : this.perfBuffer<T>(map, type, options)
  }

  /**
   * Creates a consumer for one of the object's perf event arrays. The parameters are those of {@link ringBuffer}.
   * (Linux 4.4)
   */
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
    this.#state.expect('read a perf buffer of', 'loaded')
    if (type === undefined) return new PerfBuffer(this.#map(map), options as PerfBufferOptions<Uint8Array>)
    return new PerfBuffer<T>(this.#map(map), { ...options, codec: this.codec<T>(type) })
  }

  /**
   * Creates a producer for one of the object's user ring buffers. The parameters are those of {@link ringBuffer}.
   * (Linux 6.1)
   */
  userRingBuffer<N extends RecordName<S>>(map: N, type: string): UserRingBuffer<RecordOf<S, N>>
  userRingBuffer(map: string): UserRingBuffer
  userRingBuffer<T = Record<string, unknown>>(map: string, type: string): UserRingBuffer<T>
  userRingBuffer<T>(map: string, type?: string): UserRingBuffer<T> | UserRingBuffer {
    this.#state.expect('write to a user ring buffer of', 'loaded')
    if (type === undefined) return new UserRingBuffer<Uint8Array>(this.#map(map))
    return new UserRingBuffer<T>(this.#map(map), { codec: this.codec<T>(type) })
  }

  /**
   * Pins all maps and programs to files with their names in a directory of a BPF file system. If it fails, nothing
   * stays pinned that was not pinned before. (`bpf_object__pin`)
   */
  pin(path: string): void {
    this.#state.expect('pin', 'loaded')
    this.#do(`pin to ${path}`, () => native.objectPin(this.#handle, path), path)
  }

  /** Removes the pins that {@link pin} made. (`bpf_object__unpin`) */
  unpin(path: string): void {
    this.#state.expect('unpin', 'loaded')
    this.#do(`unpin from ${path}`, () => native.objectUnpin(this.#handle, path), path)
  }

  /**
   * Pins all maps into a directory. Without `path`, each map that has a {@link BpfMap.pinPath} is pinned there.
   * (`bpf_object__pin_maps`)
   */
  pinMaps(path?: string): void {
    this.#state.expect('pin the maps of', 'loaded')
    this.#do(
      `pin the maps to ${path ?? 'their pin paths'}`,
      () => native.objectPinMaps(this.#handle, path),
      path,
    )
  }

  /** Removes the pins that {@link pinMaps} made. (`bpf_object__unpin_maps`) */
  unpinMaps(path?: string): void {
    this.#state.expect('unpin the maps of', 'loaded')
    this.#do(
      `unpin the maps from ${path ?? 'their pin paths'}`,
      () => native.objectUnpinMaps(this.#handle, path),
      path,
    )
  }

  /** Pins all programs into a directory. (`bpf_object__pin_programs`) */
  pinPrograms(path: string): void {
    this.#state.expect('pin the programs of', 'loaded')
    this.#do(`pin the programs to ${path}`, () => native.objectPinPrograms(this.#handle, path), path)
  }

  /** Removes the pins that {@link pinPrograms} made. (`bpf_object__unpin_programs`) */
  unpinPrograms(path: string): void {
    this.#state.expect('unpin the programs of', 'loaded')
    this.#do(`unpin the programs from ${path}`, () => native.objectUnpinPrograms(this.#handle, path), path)
  }

  /**
   * What the verifier logged about all programs, in the order of the file; '' without {@link
   * OpenOptions.kernelLogLevel} or {@link Program.logLevel}. If it is about several programs, a line with the name
   * precedes each one. If no program has a log, this is what the kernel logged about the object's BTF into a buffer of
   * {@link OpenOptions.kernelLogSize}.
   */
  get kernelLog(): string {
    const about = this.#do('read the kernel log', () => native.objectKernelLog(this.#handle))
    const logs = [...this.programs.values()]
      .map(({ name, verifierLog }) => ({ name, verifierLog }))
      .filter(({ verifierLog }) => verifierLog !== '')
    if (logs.length < 2) return logs[0]?.verifierLog ?? about
    return logs.map(({ name, verifierLog }) => `-- program '${name}' --\n${verifierLog}`).join('')
  }

  /**
   * The descriptor of the BPF token that the object is loaded with, if it has one. (`bpf_object__token_fd`, Linux 6.9)
   */
  get tokenFd(): number | undefined {
    const fd = this.#do('read the token fd', () => native.objectTokenFd(this.#handle))
    return fd >= 0 ? fd : undefined
  }

  /**
   * Detaches the programs, except for those with a pinned link, and releases programs and maps. You can close an
   * object while it loads: it is then released when the kernel is done, and `load()` rejects with ERR_BPF_CLOSED.
   * Closing twice is fine. (`bpf_object__close`)
   */
  close(): void {
    if (!this.#state.close()) return
    for (const link of [...this.#links]) link.close()
    native.objectClose(this.#handle)
  }

  /** Like {@link close}, but detaches on libuv's pool. Detaching hundreds of programs would block the event loop. */
  async closeAsync(): Promise<void> {
    if (!this.#state.close()) return
    const closing = Link.closeAll(this.#links)
    // Native code waits for the last link before it releases the object.
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
    if (map !== undefined || !String(name).startsWith('.')) return map
    // libbpf puts the beginning of the object's name in front: 'obj.rodata'.
    for (const [full, section] of this.maps) {
      if (section.isInternal && full.endsWith(name) && !full.slice(0, -name.length).includes('.'))
        return section
    }
    return undefined
  }

  #own<L extends Link>(make: (onClose: () => void) => L): L {
    const link: L = make(() => this.#links.delete(link))
    this.#links.add(link)
    return link
  }

  #begin(what: 'prepare' | 'load'): void {
    this.#state.begin(what, () => {
      choosePortableMaps(this)
      // Listing the links also lists the programs. They can be used while the object loads, when native code answers no
      // questions.
      this.links
    })
  }

  #expectPrepared(what: string): void {
    if (this.#state.is('open')) {
      throw new BpfError(`${what} object '${this.name}': it is not prepared yet; call prepare() first`, {
        code: 'ERR_BPF_STATE',
        object: this.name,
      })
    }
    this.#state.expect(what, 'prepared')
  }

  get #loadSubject(): Subject {
    return loadSubject(this, this.#btfCustom)
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
