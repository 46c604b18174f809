// What the functions of one file share while they are compiled.

import type { PrototypeType } from '../asm/c-types.js'
import type { ExternDefinition, GlobalDefinition } from '../asm/object-writer.js'
import type { Inference } from './infer.js'
import type { KernelTypes } from './kernel-types.js'
import { mapKinds } from './maps/kinds.js'
import type { Module } from './module.js'
import type { CompiledFunction } from './subprograms.js'
import { isOlder, type Target } from './target.js'

const arenaSince = mapKinds.arena!.since

export class Unit {
  readonly module: Module
  readonly kernel: KernelTypes
  readonly target: Target
  /** The functions that programs call, by the kinds of their arguments. */
  readonly functions = new Map<string, CompiledFunction>()
  readonly externs = new Map<string, ExternDefinition>()
  /** The names of the functions that are being compiled, from the program inward. */
  readonly calls: string[] = []

  /** For each program array, the hook of the first program that continues in another one through it. */
  readonly tailCallers = new Map<string, string>()
  /** The names of interfaces that user space gets although no map or variable uses them. */
  readonly shown = new Set<string>()

  /** The places that log, by their names in the object. */
  readonly logs = new Map<string, GlobalDefinition>()
  /** Set while only the types of maps are being inferred. */
  readonly inference: Inference | undefined

  /** Text that programs print, by its name in the object. */
  readonly texts = new Map<string, string>()

  constructor(module: Module, kernel: KernelTypes, target: Target, inference?: Inference) {
    this.inference = inference
    this.module = module
    this.kernel = kernel
    this.target = target
  }

  /**
   * Whether all kernels that the program has to load into are at least this new. Those without arenas cannot load one.
   */
  has(version: string): boolean {
    const oldestKernel = this.target.oldestKernel ?? (this.#hasArena ? arenaSince : undefined)
    return oldestKernel !== undefined && !isOlder(oldestKernel, version)
  }

  get #hasArena(): boolean {
    return [...this.module.maps.values()].some(({ kind }) => kind === 'arena')
  }

  /** The structs that programs allocate. */
  readonly allocated = new Set<string>()

  #loops = 0

  /** A new number for a loop that becomes a function. */
  newLoop(): number {
    return ++this.#loops
  }

  /** The name of text that does not change. */
  text(text: string): string {
    const known = [...this.texts].find(([, one]) => one === text)?.[0]
    if (known !== undefined) return known
    const name = `text__${this.texts.size + 1}`
    this.texts.set(name, text)
    return name
  }

  /** Declares a function of the kernel, and returns its name. */
  kfunc(name: string, type: PrototypeType): string {
    this.externs.set(name, { kind: 'kfunc', type })
    return name
  }
}
