import { type HelperName, helperNames, helperNumber } from '../asm/helper-names.js'
import type { SymbolReference } from '../asm/instruction.js'
import type { ObjectFile } from '../asm/object-reader.js'
import { CompiledProgram } from './compiled.js'
import { poisonedCall } from './core.js'
import { EmulatorError } from './fault.js'
import { allHelpers } from './helpers/index.js'
import type { Executor, Host } from './host.js'
import { Interpreter } from './interpreter.js'
import { EmulatedMap, keyText } from './maps.js'
import { Memory, type Region, readNumber, writeNumber } from './memory.js'
import { atomicResult } from './operations.js'
import { type LinkedFunction, link } from './program.js'
import { Records } from './records.js'
import { mayReadUnwritten } from './registers.js'

/**
 * A helper or kernel function in JavaScript. It gets the five argument registers and returns r0. A number is
 * sign-extended; `undefined` counts as 0.
 */
export type Helper = (machine: Machine, ...args: bigint[]) => bigint | number | undefined

export interface MachineOptions {
  /** How many CPUs there are: the length of per-CPU values. 2 by default. */
  cpus?: number
  /**
   * `compiled` runs programs as WebAssembly, `interpreted` one instruction after the other. By default they are
   * compiled, unless one might read a register that it never wrote, which only the interpreter can detect.
   */
  executor?: 'compiled' | 'interpreted'
  /** How many instructions a run may take; 100 million by default. */
  budget?: number
  /** Counts how often each instruction runs. */
  coverage?: boolean
}

/** The options, with the kernel functions that the emulator adds. */
interface AllOptions extends MachineOptions {
  kernelFunctions?: Readonly<Record<string, Helper>>
}

const stackSize = 512
const deepest = 8
const mayGotoRounds = 8 << 20

/** Something that a program has to release before it ends. */
export interface Reference {
  /** What it is, such as "record of ring buffer 'events'". */
  readonly what: string
  /** What releases it: "bpf_ringbuf_submit or bpf_ringbuf_discard". */
  readonly by: string
  readonly place: { fn: number; index: number }
}

/** A program ends with a tail call: another one continues in its place. */
class TailCall {
  readonly functionNumber: number
  constructor(functionNumber: number) {
    this.functionNumber = functionNumber
  }
}

/** What programs can read about the kernel and the running thread. It can be changed between runs. */
export interface Environment {
  /** Nanoseconds: what the clocks of `bpf_ktime_get_*` return. It stands still unless it is set. */
  time: bigint
  /** The thread that is running, and its process. */
  pid: number
  tgid: number
  uid: number
  gid: number
  /** The thread's name, 15 characters at most. */
  comm: string
  cgroupId: bigint
  /** The cookie that the program was attached with. */
  cookie: bigint
  /** `bpf_get_prandom_u32`: 32 bits. */
  random: () => number
}

/** A `struct bpf_timer`. */
export interface Timer {
  callback: number | undefined
  /** When it fires, in the time of the environment; `undefined` if it is not started. */
  due: bigint | undefined
}

/** Memory, maps and functions of one object, and the state of the kernel that its programs can see. */
export class Machine implements Host {
  readonly memory = new Memory()
  readonly object: ObjectFile
  readonly functions: readonly LinkedFunction[]
  readonly maps = new Map<string, EmulatedMap>()
  readonly sections = new Map<string, Region>()
  readonly externs = new Map<string, Region>()
  readonly cpus: number
  /** Helpers by number. */
  readonly helpers = new Map<number, Helper>()
  /** Kernel functions by name. */
  readonly kernelFunctions: Map<string, Helper>
  readonly references = new Map<bigint, Reference>()
  /** The CPU that programs run on. */
  cpu = 0
  readonly environment: Environment
  /** Lines of `bpf_printk`, without their line feeds. */
  readonly printed: string[] = []
  /** By the address of the `struct bpf_timer`. */
  readonly timers = new Map<bigint, Timer>()
  /** What a traced function was called with, for `bpf_get_func_arg`. */
  arguments: readonly bigint[] = []
  /** The address of the running thread's `struct task_struct`. */
  currentTask: () => bigint = () => this.fault("there is no current task: give one as 'currentTask'")
  /** Where the program sent its packet, by bpf_redirect or bpf_redirect_map. */
  redirected: { ifindex: number } | { map: string; key: number } | undefined
  readonly #records = new Map<string, Records>()
  /** Buffers that accept nothing more: helpers fail as they do when nobody reads. */
  readonly full = new Set<string>()

  readonly #counters: (number | undefined)[] = []
  readonly #kernelNames: string[] = []
  readonly #frames: Region[]
  readonly #functionRegions: Region[]
  readonly #mapsByRegion = new Map<number, EmulatedMap>()
  readonly #options: MachineOptions
  #executor: Executor | undefined
  #depth = 0
  #fn = 0
  #index = 0
  #left = 0
  #mayGotos = 0
  #context = 0n
  #tailCalls = 0
  /** The packet that ld_abs and ld_ind load from. */
  packetBytes: (() => Uint8Array) | undefined

  constructor(object: ObjectFile, options: AllOptions = {}) {
    if (!object.elf.littleEndian) throw new RangeError('objects for big-endian machines cannot be emulated')
    this.object = object
    this.#options = options
    this.kernelFunctions = new Map(Object.entries(options.kernelFunctions ?? {}))
    this.cpus = options.cpus ?? 2
    this.environment = {
      time: 1_000_000_000n,
      pid: 1000,
      tgid: 1000,
      uid: 0,
      gid: 0,
      comm: 'test',
      cgroupId: 1n,
      cookie: 0n,
      random: () => Math.floor(Math.random() * 0x1_0000_0000),
    }
    for (const [name, helper] of Object.entries(allHelpers))
      this.helpers.set(helperNumber(name as HelperName), helper)
    this.#frames = Array.from({ length: deepest }, () =>
      this.memory.region('stack', 'the stack', stackSize, { shadowed: true }),
    )
    for (const map of object.maps) this.addMap(new EmulatedMap(this.memory, map, this.cpus))
    this.#fillSlots()
    this.#makeSections()
    this.#functionRegions = object.functions.map(({ name }) =>
      this.memory.region('function', `function '${name}'`, 0),
    )
    this.functions = link(object.functions, {
      symbol: (reference) => this.#symbol(reference),
      functionAddress: (number) => this.memory.pointer(this.#functionRegions[number]!),
    })
  }

  /**
   * Where the counters of a function's instructions are in the linear memory; `undefined` without the option
   * `coverage`.
   */
  countersAt(functionNumber: number): number | undefined {
    if (this.#options.coverage !== true) return undefined
    const known = this.#counters[functionNumber]
    if (known !== undefined) return known
    const at = this.memory.allocate(this.functions[functionNumber]!.ops.length * 4)
    this.#counters[functionNumber] = at
    return at
  }

  count(at: number): void {
    this.memory.view.setUint32(at, this.memory.view.getUint32(at, true) + 1, true)
  }

  /** How often each instruction of a function ran. */
  counts(functionNumber: number): number[] {
    const at = this.countersAt(functionNumber)
    const { ops } = this.functions[functionNumber]!
    return ops.map((_, i) => (at === undefined ? 0 : this.memory.view.getUint32(at + i * 4, true)))
  }

  addMap(map: EmulatedMap): void {
    this.maps.set(map.name, map)
    this.#mapsByRegion.set(map.region.id, map)
  }

  /** Fills in what maps of maps and program arrays contain from the start. */
  #fillSlots(): void {
    for (const { name, values } of this.object.maps) {
      const map = this.maps.get(name)!
      for (const { slot, name } of values) {
        map.innerMaps?.set(keyText(new Uint8Array(Uint32Array.of(slot).buffer)), this.maps.get(name)!)
        map.programs?.set(
          slot,
          this.object.functions.findIndex((fn) => fn.name === name),
        )
      }
    }
  }

  // ---- Records of ring buffers and perf buffers

  /** @internal */
  recordsOf(map: string): Records {
    const known = this.#records.get(map)
    if (known !== undefined) return known
    const { type, maxEntries } = this.maps.get(map)!
    const made = new Records(type === 'ringbuf' ? maxEntries : Number.POSITIVE_INFINITY)
    this.#records.set(map, made)
    return made
  }

  emit(map: string, bytes: Uint8Array): void {
    this.recordsOf(map).add(bytes)
  }

  /** The records that nobody has taken yet. */
  emitted(map: string): readonly Uint8Array[] {
    return this.maps.has(map) ? this.recordsOf(map).waiting : []
  }

  /** Takes the records, as a reader does. */
  takeRecords(map: string): readonly Uint8Array[] {
    return this.maps.has(map) ? this.recordsOf(map).take() : []
  }

  isFull(map: string, size: number): boolean {
    return this.full.has(map) || !this.recordsOf(map).hasRoom(size)
  }

  /** Lets time pass. Timers that are due fire in their order. */
  advance(nanoseconds: bigint): void {
    const end = this.environment.time + nanoseconds
    for (;;) {
      const due = [...this.timers].filter(([, { due }]) => due !== undefined && due <= end)
      const [next] = due.sort(([, a], [, b]) => (a.due! < b.due! ? -1 : 1))
      if (next === undefined) break
      const [address, timer] = next
      if (timer.due! > this.environment.time) this.environment.time = timer.due!
      timer.due = undefined
      this.#guarded(() => this.#fireTimer(address, timer.callback!))
    }
    this.environment.time = end
  }

  #fireTimer(address: bigint, callback: number): void {
    const { region } = this.memory.expect(address, 'timer')
    for (const map of this.maps.values()) {
      const key = map.keyOfValue(region.base)
      if (key === undefined) continue
      const keyRegion = this.memory.region('map value', `a key of map '${map.name}'`, map.keySize, {
        temporary: true,
      })
      this.memory.bytes.set(key, keyRegion.base)
      const args = [
        this.memory.pointer(map.region),
        this.memory.pointer(keyRegion),
        this.memory.pointer(region),
      ]
      this.call(callback, args)
      return
    }
  }

  #makeSections(): void {
    const { elf, variables, externs, btf } = this.object
    const names = new Set([
      ...variables.map(({ section }) => section),
      ...elf.sections.map(({ name }) => name).filter((name) => /^\.(rodata|data|bss)/.test(name)),
    ])
    for (const name of names) {
      const section = elf.sections.find((section) => section.name === name)
      if (section === undefined || section.size === 0) continue
      const writable = !name.startsWith('.rodata')
      const region = this.memory.region('global data', `the section ${name}`, section.size, { writable })
      this.memory.bytes.set(section.bytes, region.base)
      this.sections.set(name, region)
    }
    for (const { name, kind, typeId } of externs) {
      if (kind === 'kfunc') continue
      const size = kind === 'kconfig' ? btf!.sizeOf(typeId) : 8
      this.externs.set(
        name,
        this.memory.region('global data', `extern '${name}'`, size, { writable: kind === 'ksym' }),
      )
    }
  }

  #symbol({ kind, name, offset = 0 }: SymbolReference): bigint {
    switch (kind) {
      case 'map': {
        const map = this.maps.get(name)
        if (map !== undefined) return this.memory.pointer(map.region)
        break
      }
      case 'data': {
        const variable = this.object.variables.find((variable) => variable.name === name)
        const symbol = this.object.elf.symbols.find((symbol) => symbol.name === name)
        const region = this.sections.get(variable?.section ?? symbol?.section ?? name)
        if (region !== undefined)
          return this.memory.pointer(region, (variable?.offset ?? symbol?.value ?? 0) + offset)
        break
      }
      case 'extern': {
        const region = this.externs.get(name)
        if (region !== undefined) return this.memory.pointer(region)
        // bpf_ksym_exists() asks for the address of a kernel function.
        const isFunction = this.object.externs.some((one) => one.name === name && one.kind === 'kfunc')
        if (isFunction) return this.kernelFunctions.has(name) ? 1n : 0n
        break
      }
      case 'kfunc':
        return BigInt(this.#kernelNames.push(name) - 1)
    }
    throw new RangeError(`the object refers to the ${kind} '${name}', which it does not have`)
  }

  /**
   * Runs a program.
   *
   * @param context - what r1 is
   * @returns r0, 64 bits
   * @throws EmulatorError that says what the program did wrong, and where
   */
  run(name: string, context: bigint): bigint {
    const number = this.functions.findIndex((fn) => fn.name === name)
    if (number < 0) throw new RangeError(`program '${name}' does not exist`)
    this.#context = context
    return this.#guarded(() => {
      const result = this.#runToEnd(number)
      for (const { what, by, place } of this.references.values()) {
        this.#fn = place.fn
        this.#index = place.index
        this.fault(`the program ended and kept a ${what}; ${by} has to follow`)
      }
      return result
    })
  }

  /** Begins a run, and adds the place to errors about what it does wrong. */
  #guarded<T>(run: () => T): T {
    this.#left = this.#options.budget ?? 100_000_000
    this.#depth = 0
    this.#tailCalls = 0
    this.#mayGotos = 0
    this.references.clear()
    this.#executor ??= this.#chooseExecutor()
    this.#executor.begin?.()
    try {
      return run()
    } catch (error) {
      if (!(error instanceof EmulatorError) || error.place !== undefined) throw error
      throw new EmulatorError(error.reason, this.#place())
    }
  }

  #runToEnd(number: number): bigint {
    for (;;) {
      const { problem } = this.functions[number]!
      if (problem !== undefined) throw new RangeError(problem)
      try {
        return this.call(number, [this.#context])
      } catch (error) {
        if (!(error instanceof TailCall)) throw error
        number = error.functionNumber
        this.#depth = 0
      }
    }
  }

  /** Calls a function of the program, for helpers that call back. */
  call(functionNumber: number, args: readonly bigint[]): bigint {
    return this.#executor!.call(functionNumber, args)
  }

  #chooseExecutor(): Executor {
    const { executor } = this.#options
    const programs = this.object.functions
    const isProgram = ({ number }: LinkedFunction): boolean => programs[number]!.isProgram
    const isUncertain = (): boolean => mayReadUnwritten(this.functions, isProgram)
    if (executor === 'interpreted' || (executor === undefined && isUncertain())) return new Interpreter(this)
    return new CompiledProgram(this, this.memory)
  }

  /** The function that a pointer points to, for helpers that call back. */
  functionAt(pointer: bigint, what: string): number {
    const found = this.memory.find(pointer)
    const number = found ? this.#functionRegions.indexOf(found.region) : -1
    if (number < 0) this.fault(`${what}: the callback is not a function of this program`)
    return number
  }

  /** The map that a pointer points to. */
  mapAt(pointer: bigint, what: string): EmulatedMap {
    const found = this.memory.find(pointer)
    const map = found && this.#mapsByRegion.get(found.region.id)
    if (map === undefined) this.fault(`${what}: the argument is not a map`)
    return map
  }

  /** Ends the running program and continues with another one, unless there were too many tail calls. */
  tailCall(functionNumber: number): void {
    if (++this.#tailCalls > 33) return
    throw new TailCall(functionNumber)
  }

  /** Records something that the program has to release. */
  acquire(pointer: bigint, what: string, by: string): bigint {
    this.references.set(pointer, { what, by, place: { fn: this.#fn, index: this.#index } })
    return pointer
  }

  // ---- What running programs ask for

  at(fn: number, index: number): void {
    this.#fn = fn
    this.#index = index
  }

  #place() {
    const { name, ops } = this.functions[this.#fn]!
    const line = ops[this.#index]?.line
    return { function: name, index: this.#index, ...(line && { line }) }
  }

  fault(reason: string): never {
    throw new EmulatorError(reason, this.#place())
  }

  enter(): Region {
    const frame = this.#frames[this.#depth]
    if (frame === undefined) this.fault(`more than ${deepest} functions are called in each other`)
    this.#depth++
    this.memory.bytes.fill(0, frame.shadow, frame.shadow + stackSize)
    return frame
  }

  leave(): void {
    this.#depth--
  }

  framePointer(stack: Region): bigint {
    return this.memory.pointer(stack, stackSize)
  }

  spend(instructions: number): void {
    this.#left -= instructions
    if (this.#left < 0)
      this.fault('the program ran longer than its budget of instructions: a loop without an end?')
  }

  mayGoto(): boolean {
    return ++this.#mayGotos > mayGotoRounds
  }

  load(address: bigint, size: number): bigint {
    const { region, offset } = this.memory.expect(address, 'load')
    const value = region.retired === undefined ? region.virtual?.load(offset, size) : undefined
    if (value !== undefined) return value
    this.memory.expectAccess(region, offset, size, 'read', 'load')
    if (region.virtual !== undefined)
      this.fault(`load: ${region.name} has no field of ${size} bytes at ${offset}`)
    if (region.shadow !== 0) this.memory.expectInitialized(region, offset, size, 'load')
    return readNumber(this.memory.view, region.base + offset, size)
  }

  store(address: bigint, size: number, value: bigint): void {
    const { region, offset } = this.memory.expect(address, 'store')
    if (region.retired === undefined && region.virtual?.store(offset, size, value)) return
    this.memory.expectAccess(region, offset, size, 'write', 'store')
    if (region.virtual !== undefined)
      this.fault(`store: ${region.name} has no field to write of ${size} bytes at ${offset}`)
    if (region.shadow !== 0) this.memory.bytes.fill(1, region.shadow + offset, region.shadow + offset + size)
    writeNumber(this.memory.view, region.base + offset, size, value)
  }

  atomic(address: bigint, size: number, operation: number, source: bigint, expected: bigint): bigint {
    const old = this.load(address, size)
    this.store(address, size, atomicResult(operation, (size * 8) as 32 | 64, old, source, expected))
    return old
  }

  loadPacket(offset: number, size: number): bigint | undefined {
    const packet = this.packetBytes?.()
    if (packet === undefined) this.fault('this kind of program has no packet to load from')
    if (offset < 0 || offset + size > packet.length) return undefined
    let value = 0n
    for (let i = 0; i < size; i++) value = (value << 8n) | BigInt(packet[offset + i]!)
    return value
  }

  callHelper(number: number, args: readonly bigint[]): bigint {
    if (number === poisonedCall) this.fault('the kernel has no such type or member (CO-RE)')
    const helper = this.helpers.get(number)
    if (helper === undefined)
      this.fault(`helper ${nameOf(number)} is not emulated: give a function for it in 'helpers'`)
    return result(helper(this, ...args))
  }

  callKernel(number: bigint, args: readonly bigint[]): bigint {
    const name = this.#kernelNames[Number(number)]!
    const kernelFunction = this.kernelFunctions.get(name)
    if (kernelFunction === undefined)
      this.fault(`kernel function '${name}' is not emulated: give a function for it in 'kfuncs'`)
    return result(kernelFunction(this, ...args))
  }
}

const nameOf = (number: number): string =>
  helperNames[number] ? `bpf_${helperNames[number]}` : String(number)

const result = (value: bigint | number | undefined): bigint =>
  BigInt.asUintN(64, typeof value === 'number' ? BigInt(value) : (value ?? 0n))
