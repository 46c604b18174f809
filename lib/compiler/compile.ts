import { array, char, s32 as cInt, pointer, prototype, voidType } from '../asm/c-types.js'
import { toText } from '../asm/listing.js'
import { buildObject, type GlobalDefinition, type ProgramDefinition } from '../asm/object-writer.js'
import type { BtfTypes } from '../btf/parse.js'
import { declareAll, declareUsed } from './declarations.js'
import { finish } from './finish.js'
import { globalPrototype, globalSignature } from './global-functions.js'
import { typesFor } from './hooks/attached-to.js'
import { parametersOf, sectionOf } from './hooks/parameters.js'
import { withRegisters } from './hooks/registers.js'
import { expectAllReturned } from './hooks/returns.js'
import { opsDefinition } from './hooks/struct-ops.js'
import { type Inference, inferMaps } from './infer.js'
import { irText } from './ir-text.js'
import { KernelTypes } from './kernel-types.js'
import { logGlobals, logMaps } from './log.js'
import { FunctionCompiler } from './lower.js'
import { rootOf } from './maps/arena.js'
import { definitionsOf } from './maps/definition.js'
import { containedIn } from './maps/graph-types.js'
import { Module, type ModuleProgram } from './module.js'
import { runningKernel } from './running-kernel.js'
import { CompileError, Source } from './source.js'
import type { Architecture, Target } from './target.js'
import { cTypeOf, sizeOf } from './types.js'
import { Unit } from './unit.js'

export interface CompileOptions {
  /** The name of the file, for messages and for the source lines in the object file. */
  file?: string
  /** The folder that imports of other files are relative to; by default that of `file`. */
  resolveDir?: string
  /**
   * The types of the kernel that the program uses; by default the running kernel's, from /sys/kernel/btf, with those of
   * a module if a program is for the module's tracepoint or function. CO-RE adapts the object to other kernels.
   */
  kernel?: BtfTypes
  /**
   * The architecture to compile for, whose registers kprobes read; that of this machine by default. `kernel` may be
   * from another architecture.
   */
  arch?: Architecture
  /**
   * The oldest kernel that the program has to load into, as in `'5.10'`. Using what that kernel lacks is then an error
   * of the compiler; without this option, the kernel refuses the program when it is loaded.
   */
  oldestKernel?: string
}

export interface CompiledProgram {
  readonly name: string
  /** The section name, as in SEC() in C. */
  readonly section: string
  /** How many 8-byte instructions it has. */
  readonly instructions: number
}

export interface CompileResult {
  /** The object file, for `BpfObject.open`. */
  readonly object: Uint8Array
  readonly programs: readonly CompiledProgram[]
  /** The paths of the files that it imports, directly or through other files. */
  readonly imported: readonly string[]
}

/**
 * Compiles programs in TypeScript to an object file.
 *
 * @throws CompileError that shows the line, the position in it, and what to write instead
 */
export function compile(
  text: string,
  { file = 'program.bpf.ts', resolveDir, kernel, ...options }: CompileOptions = {},
): CompileResult {
  const source = new Source(file, text)
  const module = new Module(source, resolveDir)
  module.expectImported()
  if (module.programs.length === 0) {
    source.fail(
      { start: 0, end: 1 },
      'the file has no program',
      "Write one: export const onExec = rawTp('sched_process_exec', (task) => { ... }).",
    )
  }
  const unit = unitOf(module, kernel ?? typesFor(module.programs), options)
  const programs = Object.fromEntries(
    module.programs.map((program) => [program.name, programOf(unit, program)]),
  )
  const object = buildObject({
    ...(module.license !== undefined && { license: module.license }),
    maps: { ...definitionsOf(module, unit.target), ...logMaps(unit) },
    globals: { ...globalsOf(unit), ...structOpsOf(unit), ...textsOf(unit), ...logGlobals(unit) },
    externs: Object.fromEntries(unit.externs),
    functions: Object.fromEntries(
      [...unit.functions.values()].map(({ name, type, instructions, linkage }) => [
        name,
        { type, instructions, ...(linkage && { linkage }) },
      ]),
    ),
    programs,
  })
  return {
    object,
    imported: module.imported,
    programs: Object.entries(programs).map(([name, { section, instructions }]) => ({
      name,
      section,
      instructions: instructions.reduce((sum, { imm }) => sum + (typeof imm === 'bigint' ? 2 : 1), 0),
    })),
  }
}

function targetOf({ arch, oldestKernel }: CompileOptions): Target {
  if (oldestKernel !== undefined && !/^\d+\.\d+/.test(oldestKernel))
    throw new RangeError(
      `oldestKernel: the version of a kernel is written as in '5.10', not '${oldestKernel}'`,
    )
  return { architecture: arch ?? (process.arch === 'arm64' ? 'arm64' : 'x64'), oldestKernel }
}

/** What the functions of a file share while they are compiled, once the types of all maps are known. */
function unitOf(module: Module, kernel: BtfTypes, options: CompileOptions): Unit {
  const target = targetOf(options)
  const types = withRegisters(kernel, target.architecture)
  inferMaps(module, (program, inference) =>
    lower(new Unit(module, new KernelTypes(types), target, inference), program),
  )
  return new Unit(module, new KernelTypes(types), target)
}

/** A listing of what the compiler makes of a file: its operations before registers are chosen, or its instructions. */
export function listingOf(text: string, what: 'ir' | 'asm', options: CompileOptions = {}): string {
  const module = new Module(new Source(options.file ?? 'program.bpf.ts', text), options.resolveDir)
  const unit = unitOf(module, options.kernel ?? typesFor(module.programs), options)
  const programs = module.programs.map((program) => {
    const compiler = lower(unit, program)
    return { name: program.name, ...finish(compiler, program.node, compiler.calleeStack) }
  })
  return [...programs, ...unit.functions.values()]
    .map(({ name, operations, instructions }) => {
      return `${name}:\n${what === 'ir' ? irText(operations) : toText(instructions)}\n`
    })
    .join('\n')
}

/** Declares the hooks and the kernel's structs that some files use, for tsc and editors: the text of a .d.ts file. */
export function declarationsFor(
  sources: readonly { source: Source; folder: string }[],
  kernel = runningKernel(),
): string {
  const types = new KernelTypes(kernel)
  const programs = sources.flatMap(({ source, folder }) => {
    const module = new Module(source, folder)
    const target = targetOf({})
    const read = (program: ModuleProgram, inference?: Inference) =>
      lower(new Unit(module, types, target, inference), program)
    // A mistake in the program is no reason to declare nothing: the declarations may be what helps to find it.
    tolerate(() => inferMaps(module, read))
    for (const program of module.programs) tolerate(() => read(program))
    return module.programs
  })
  return declareUsed(types, programs)
}

function tolerate(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
  }
}

/** Declares all hooks and structs of a kernel. */
export function allDeclarations(kernel = runningKernel()): string {
  return declareAll(new KernelTypes(kernel))
}

function programOf(unit: Unit, program: ModuleProgram): ProgramDefinition {
  const compiler = lower(unit, program)
  const { operations, instructions } = finish(compiler, program.node, compiler.calleeStack)
  expectAllReturned(compiler, operations)
  return {
    section: sectionOf(program),
    instructions,
    type:
      program.hook === 'freplace'
        ? globalPrototype(globalSignature(unit.module, program.function))
        : prototype(cInt, { ctx: pointer(voidType) }),
  }
}

function lower(unit: Unit, program: ModuleProgram): FunctionCompiler {
  const compiler = new FunctionCompiler(unit, program)
  compiler.at = program.function.start ?? 0
  compiler.compileProgram(program.function, parametersOf(compiler, program))
  return compiler
}

/** Text that programs print. clang also has such a section for literals. */
const textsOf = (unit: Unit): Record<string, GlobalDefinition> =>
  Object.fromEntries(
    [...unit.texts].map(([name, text]) => {
      const value = new TextEncoder().encode(`${text}\0`)
      return [name, { section: '.rodata.str1.1', type: array(char, value.length), value }]
    }),
  )

const structOpsOf = ({ module, kernel, target }: Unit): Record<string, GlobalDefinition> =>
  Object.fromEntries(
    module.structOps.map((ops) => [ops.name, opsDefinition(kernel, module.source, target, ops)]),
  )

function globalsOf({ module, allocated, shown }: Unit): Record<string, GlobalDefinition> {
  const globals: Record<string, GlobalDefinition> = {}
  for (const { name, section, type, value } of module.globals.values()) {
    const bytes = new Uint8Array(sizeOf(type))
    for (let i = 0, left = value; i < bytes.length; i++, left >>= 8n) bytes[i] = Number(left & 0xffn)
    globals[name] = { section, type: cTypeOf(type), ...(section !== '.bss' && { value: bytes }) }
  }
  for (const map of module.maps.values())
    if (map.kind === 'arena')
      globals[rootOf(map)] = {
        section: '.addr_space.1',
        type: cTypeOf(map.value!),
        value: new Uint8Array(sizeOf(map.value!)),
      }
  // The records of a ring buffer appear nowhere else in the object's BTF.
  for (const { name, records = [] } of module.maps.values()) {
    for (const [i, record] of records.entries()) {
      globals[`${name}_record${i === 0 ? '' : i}`] = { section: '.bss', type: pointer(cTypeOf(record)) }
    }
  }
  // Nor do objects that a program only takes out of a list.
  const contained = [...module.maps.values()].flatMap(({ value }) => containedIn(value))
  const hidden = contained.filter((one) => !allocated.has(one))
  for (const name of new Set([...module.exported, ...shown, ...hidden]))
    globals[`${name}_type`] = { section: '.bss', type: pointer(cTypeOf(module.struct(name)!)) }
  return globals
}
