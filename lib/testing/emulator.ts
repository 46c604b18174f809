import { readFileSync } from 'node:fs'
import { type HelperName, helperNumber } from '../asm/helper-names.js'
import { type ObjectFile, type ObjectFunction, readObject } from '../asm/object-reader.js'
import { viewOf } from '../btf/bytes.js'
import { type Codec, compile } from '../btf/codec.js'
import type { BtfTypes } from '../btf/parse.js'
import { relocate, withLocalTypes } from './core.js'
import { type Coverage, coverageOf } from './coverage.js'
import { arenaFunctions } from './helpers/arena.js'
import { iteratorFunctions } from './helpers/iterators.js'
import { objectFunctions } from './helpers/objects.js'
import { type KernelValue, KernelValues } from './kernel-values.js'
import { type Environment, type Helper, Machine, type MachineOptions } from './machine.js'
import { type EmulatedMap, keyText } from './maps.js'
import { writeNumber } from './memory.js'
import { Packet, skbContext, xdpContext } from './packet-context.js'
import {
  actionOf,
  contextKind,
  type RunOptions,
  type RunResult,
  seesEthernet,
  type TestMap,
  type TestObject,
  type TestProgram,
} from './test-object.js'

export interface EmulatorOptions extends MachineOptions, Partial<Environment> {
  /**
   * The types of the kernel to run on, such as `Btf.fromKernel().types`: programs are relocated to them (CO-RE), and
   * kernel structs are laid out by them. By default, both use the object's own types.
   */
  btf?: BtfTypes
  /** The `struct task_struct` of the running thread, for `bpf_get_current_task` and its members. */
  currentTask?: { readonly [member: string]: KernelValue }
  /** Helpers that replace the emulated ones, or add to them, by name. */
  helpers?: Readonly<Partial<Record<HelperName | `bpf_${HelperName}`, Helper>>>
  /**
   * Kernel functions by name. Some are emulated without this: iterators over numbers and bits (`bpf_iter_num_new`),
   * pages of arenas, and objects with lists and trees of them (`bpf_obj_new`, `bpf_list_push_back`, `bpf_rbtree_add`).
   */
  kfuncs?: Readonly<Record<string, Helper>>
  /** Options of the kernel's configuration, and addresses of kernel symbols, by name. */
  externs?: Readonly<Record<string, number | bigint>>
}

/**
 * Runs programs of an object file without a kernel and without privileges.
 *
 * It checks what programs do while they run: every access, every reservation. It is not the verifier, which checks all
 * paths that a program can take, and accepts fewer programs.
 *
 * @example
 * const emulator = Emulator.open('filter.bpf.o')
 * const { action } = emulator.program('filter').run({ packet })
 */
export class Emulator implements TestObject {
  readonly machine: Machine
  readonly object: ObjectFile
  readonly #values: KernelValues | undefined
  readonly #programs = new Map<string, EmulatedProgram>()
  /** Maps and variables that were used before, by name: a codec takes longer to make than to use. */
  readonly #maps = new Map<string, EmulatedTestMap>()
  readonly #variables = new Map<string, { codec: Codec; at: number }>()
  readonly #codecs = new Map<string, Codec>()

  /** @param source - a path, a file: URL, or the bytes of an object file */
  static open(source: string | URL | Uint8Array, options: EmulatorOptions = {}): Emulator {
    const bytes = source instanceof Uint8Array ? source : readFileSync(source)
    return new Emulator(readObject(bytes), options)
  }

  private constructor(object: ObjectFile, options: EmulatorOptions) {
    const {
      btf,
      currentTask,
      helpers = {},
      kfuncs = {},
      externs = {},
      cpus,
      executor,
      budget,
      coverage,
      ...environment
    } = options
    this.object = object
    const isRelocated = btf !== undefined && object.btf !== undefined
    const functions = isRelocated
      ? relocate(object.functions, object.btf, btf)
      : withLocalTypes(object.functions)
    this.machine = new Machine(
      { ...object, functions },
      {
        kernelFunctions: { ...iteratorFunctions, ...arenaFunctions, ...objectFunctions, ...kfuncs },
        ...(cpus !== undefined && { cpus }),
        ...(executor !== undefined && { executor }),
        ...(budget !== undefined && { budget }),
        ...(coverage !== undefined && { coverage }),
      },
    )
    Object.assign(this.machine.environment, environment)
    const types = btf ?? object.btf
    if (types !== undefined) this.#values = new KernelValues(this.machine.memory, types)
    for (const [name, helper] of Object.entries(helpers))
      this.machine.helpers.set(helperNumber(name as HelperName), helper!)
    for (const [name, value] of Object.entries(externs)) this.#setExtern(name, value)
    if (currentTask !== undefined) {
      const address = this.kernel('task_struct', currentTask)
      this.machine.currentTask = () => address
    }
    for (const fn of object.functions) {
      if (fn.isProgram) this.#programs.set(fn.name, new EmulatedProgram(this, fn))
    }
  }

  #setExtern(name: string, value: number | bigint): void {
    const region = this.machine.externs.get(name)
    if (region === undefined) throw new RangeError(`the object has no extern '${name}'`)
    writeNumber(this.machine.memory.view, region.base, region.size, BigInt(value))
  }

  get programs(): ReadonlyMap<string, EmulatedProgram> {
    return this.#programs
  }

  /** @throws RangeError if the object has no such program */
  program(name: string): EmulatedProgram {
    const program = this.#programs.get(name)
    if (program === undefined) throw new RangeError(`the object has no program '${name}'`)
    return program
  }

  /** Returns a map by name. BTF types its keys and values; without BTF they are bytes. */
  map<K = unknown, V = unknown>(name: string): EmulatedTestMap<K, V> {
    return known(this.#maps, name, () => {
      const map = this.machine.maps.get(name)
      if (map === undefined) throw new RangeError(`the object has no map '${name}'`)
      return new EmulatedTestMap(this, map)
    }) as EmulatedTestMap<K, V>
  }

  /** Takes the records that programs put into a ring buffer or perf buffer. @param type - the struct of the records */
  events<T = Uint8Array>(map: string, type?: string): T[] {
    const codec = type === undefined ? undefined : this.codec<T>(type)
    return this.machine.takeRecords(map).map((bytes) => (codec ? codec.decodeBytes(bytes) : (bytes as T)))
  }

  /** Lines of `bpf_printk` since the last call. */
  printed(): string[] {
    return this.machine.printed.splice(0)
  }

  /** Reads a global variable. */
  get<T = unknown>(variable: string): T {
    const { codec, at } = this.#variable(variable)
    return codec.decode(this.machine.memory.view, at, codec.size) as T
  }

  /** Writes a global variable, also one in `.rodata`. */
  set(variable: string, value: unknown): void {
    const { codec, at } = this.#variable(variable)
    const bytes = codec.encodeBytes(value)
    this.machine.memory.bytes.set(bytes, at)
  }

  #variable(name: string): { codec: Codec; at: number } {
    return known(this.#variables, name, () => {
      const { variables } = this.object
      // For programs in TypeScript, the variable in an arena has the name of the arena.
      const variable =
        variables.find((variable) => variable.name === name) ??
        variables.find((variable) => variable.section === '.addr_space.1' && variable.name === `${name}_root`)
      if (variable === undefined) throw new RangeError(`the object has no variable '${name}'`)
      const region = this.machine.sections.get(variable.section)!
      return {
        codec: compile(this.object.btf!, variable.typeId, { name }),
        at: region.base + variable.offset,
      }
    })
  }

  /** Reads and writes values of a type of the object. */
  codec<T = unknown>(type: string): Codec<T> {
    return known(this.#codecs, type, () => {
      const btf = this.object.btf
      const found = btf?.find(type, 'struct') ?? btf?.find(type, 'union') ?? btf?.find(type)
      if (found === undefined) throw new RangeError(`the object's BTF has no type '${type}'`)
      return compile(btf!, found.id)
    }) as Codec<T>
  }

  /** Puts a kernel struct into memory, with the layout that the object's BTF has for it. Returns its address. */
  kernel(type: string, value: { readonly [member: string]: KernelValue }): bigint {
    if (this.#values === undefined)
      throw new RangeError('the object has no BTF, which names the members of structs')
    return this.#values.make(type, value)
  }

  /** How often each line ran, with the option `coverage`. */
  coverage(): Coverage {
    return coverageOf([this.machine])
  }

  /** Does nothing: an emulator holds nothing but memory. */
  [Symbol.dispose](): void {}

  /** Lets time pass. Timers that are due fire. */
  advance(nanoseconds: bigint | number): void {
    this.machine.advance(BigInt(nanoseconds))
  }
}

function known<T>(all: Map<string, T>, name: string, make: () => T): T {
  const found = all.get(name) ?? make()
  all.set(name, found)
  return found
}

/** The kernel's test_run gives back zeros in place of an Ethernet header that the program did not see. */
function withHeader(bytes: Uint8Array, isMissing: boolean): Uint8Array {
  return isMissing ? Uint8Array.from([...new Uint8Array(14), ...bytes]) : bytes
}

export class EmulatedProgram implements TestProgram {
  readonly #emulator: Emulator
  readonly #function: ObjectFunction

  constructor(emulator: Emulator, fn: ObjectFunction) {
    this.#emulator = emulator
    this.#function = fn
  }

  get name(): string {
    return this.#function.name
  }

  /** The section name in SEC(). */
  get section(): string {
    return this.#function.section
  }

  /**
   * Runs the program once.
   *
   * @throws EmulatorError if it does something that a program must not do
   */
  run(options: RunOptions = {}): RunResult {
    const { machine } = this.#emulator
    const { name } = this
    const kind = contextKind(this.section)
    machine.redirected = undefined
    machine.memory.endRun()
    const frame = options.packet ?? new Uint8Array(0)
    // As the kernel's test_run does: only XDP and TC programs see the Ethernet header.
    const lacksEthernet = kind === 'skb' && !seesEthernet(this.section)
    const packet = new Packet(machine, lacksEthernet ? frame.subarray(14) : frame)
    let skb: ReturnType<typeof skbContext> | undefined
    let context: bigint
    let at: number | undefined
    if (kind === 'xdp') context = xdpContext(machine, packet, options.xdp)
    else if (kind === 'skb') {
      const etherType = frame.length < 14 ? 0 : frame[12]! | (frame[13]! << 8)
      skb = skbContext(machine, packet, options.skb, etherType)
      context = skb.pointer
    } else {
      const bytes =
        kind === 'arguments' && options.context === undefined ? this.#arguments(options) : options.context
      const region = machine.memory.region('context', 'the context', bytes?.length ?? 0, { temporary: true })
      machine.memory.bytes.set(bytes ?? new Uint8Array(0), region.base)
      at = region.base
      context = machine.memory.pointer(region)
    }
    const retval = Number(BigInt.asUintN(32, machine.run(name, context)))
    const hasPacket = kind === 'xdp' || kind === 'skb'
    return {
      retval,
      action: actionOf(this.section, retval),
      packet: hasPacket ? withHeader(packet.bytes(), lacksEthernet) : undefined,
      skb: skb?.fields(),
      context:
        at === undefined ? undefined : machine.memory.bytes.slice(at, at + (options.context?.length ?? 0)),
      redirected: machine.redirected,
    }
  }

  #arguments({ args = [] }: RunOptions): Uint8Array {
    const words = args.map((arg) =>
      typeof arg === 'object'
        ? this.#emulator.kernel(arg.struct, arg.value)
        : BigInt.asUintN(64, BigInt(arg)),
    )
    this.#emulator.machine.arguments = words
    return new Uint8Array(BigUint64Array.from(words).buffer)
  }
}

/** A map of an {@link Emulator}, from the side of the tests. */
export class EmulatedTestMap<K = unknown, V = unknown> implements TestMap<K, V> {
  readonly #machine: Machine
  readonly #map: EmulatedMap
  readonly #key: Codec<K> | undefined
  readonly #value: Codec<V> | undefined

  constructor(emulator: Emulator, map: EmulatedMap) {
    this.#machine = emulator.machine
    this.#map = map
    const { keyTypeId, valueTypeId } = map.declaration
    const { btf } = emulator.object
    if (btf && keyTypeId !== 0) this.#key = compile<K>(btf, keyTypeId)
    if (btf && valueTypeId !== 0) this.#value = compile<V>(btf, valueTypeId)
  }

  get size(): number {
    return this.#map.size
  }

  /** The value, or `undefined`. For a per-CPU map, an array with one value for each CPU. */
  get(key: K): V | undefined {
    const values = this.#map.get(this.#keyBytes(key))
    return values && this.#values(values)
  }

  /**
   * @param value - a program of the same object for program arrays, a map of it for maps of maps
   * @throws RangeError if the map refuses the entry, for example because it is full
   */
  set(key: K, value: V): this {
    const { programs, innerMaps } = this.#map
    if (programs !== undefined) {
      if (!(value instanceof EmulatedProgram))
        throw new TypeError(`the values of map '${this.#map.name}' are programs`)
      const number = this.#machine.functions.findIndex(({ name }) => name === value.name)
      programs.set(this.#index(key), number)
      return this
    }
    if (innerMaps !== undefined) {
      if (!(value instanceof EmulatedTestMap))
        throw new TypeError(`the values of map '${this.#map.name}' are maps`)
      innerMaps.set(keyText(this.#keyBytes(key)), value.#map)
      return this
    }
    const values = this.#map.isPerCpu ? (value as unknown as V[]) : [value]
    for (const [cpu, one] of values.entries()) {
      const bytes = this.#value ? this.#value.encodeBytes(one) : (one as Uint8Array)
      const error = this.#map.update(this.#keyBytes(key), bytes, 0, this.#map.isPerCpu ? cpu : undefined)
      if (error !== 0) throw new RangeError(`map '${this.#map.name}' refuses the entry: errno ${-error}`)
    }
    return this
  }

  delete(key: K): boolean {
    const { programs, innerMaps } = this.#map
    if (programs !== undefined) return programs.delete(this.#index(key))
    if (innerMaps !== undefined) return innerMaps.delete(keyText(this.#keyBytes(key)))
    return this.#map.delete(this.#keyBytes(key)) === 0
  }

  *entries(): Generator<[K, V]> {
    for (const { key, values } of this.#map.entries()) {
      yield [this.#key ? this.#key.decodeBytes(key) : (key as K), this.#values(values)]
    }
  }

  [Symbol.iterator](): Generator<[K, V]> {
    return this.entries()
  }

  #index(key: K): number {
    return typeof key === 'number' ? key : viewOf(this.#keyBytes(key)).getUint32(0, true)
  }

  #keyBytes(key: K): Uint8Array {
    return this.#key ? this.#key.encodeBytes(key) : (key as Uint8Array)
  }

  #values(bytes: Uint8Array[]): V {
    const values = bytes.map((one) => (this.#value ? this.#value.decodeBytes(one) : (one as V)))
    return this.#map.isPerCpu ? (values as V) : values[0]!
  }
}
