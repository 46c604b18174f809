// The registers of the code that was interrupted: struct pt_regs. There is one table for each architecture.

import { buildBtf } from '../../asm/btf-builder.js'
import { array, type RecordType, struct, u64 } from '../../asm/c-types.js'
import { BtfTypes } from '../../btf/parse.js'
import type { KernelMemory } from '../kernel-memory.js'
import type { ModuleProgram } from '../module.js'
import { nearest } from '../nearest.js'
import { own } from '../own.js'
import type { ast } from '../syntax.js'
import type { Architecture } from '../target.js'
import { hooks } from './kinds.js'

type Path = readonly (string | number)[]

interface Registers {
  /** Where a function finds its arguments. */
  readonly arguments: readonly Path[]
  readonly result: Path
  /** Where a system call finds its arguments. */
  readonly systemCall: readonly Path[]
  readonly instructionPointer: Path
  /** All of them by their names. */
  readonly named: Readonly<Record<string, Path>>
}

/** Registers of x64 whose names in struct pt_regs are their own. */
const x64Names = [
  ...['ax', 'bx', 'cx', 'dx', 'si', 'di', 'bp', 'sp', 'ip', 'flags', 'orig_ax'],
  ...['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'],
]

const numbered = (count: number): Path[] => Array.from({ length: count }, (_, i): Path => ['regs', i])

/** libbpf ignores what follows the three underscores. */
const foreignRegisters = 'pt_regs___foreign'

const words = (...names: string[]) => Object.fromEntries(names.map((name) => [name, u64]))

/**
 * The registers of each architecture, for types of a kernel for another one. libbpf finds the real offsets when it
 * loads the program.
 */
const declarations: Readonly<Record<Architecture, () => RecordType>> = {
  x64: () =>
    struct(foreignRegisters, words('di', 'si', 'dx', 'cx', 'r8', 'r9', 'r10', 'ax', 'ip', 'sp', 'bp')),
  arm64: () => struct(foreignRegisters, { regs: array(u64, 31), ...words('sp', 'pc', 'orig_x0') }),
}

/** The types of a kernel, with the registers of the architecture to compile for. */
export function withRegisters(kernel: BtfTypes, architecture: Architecture): BtfTypes {
  const own = kernel.find('pt_regs', 'struct')
  const isX64 = own?.members.some(({ name }) => name === 'di') ?? false
  if (own === undefined || isX64 === (architecture === 'x64')) return kernel
  return new BtfTypes(buildBtf({ types: [declarations[architecture]()] }, { base: kernel }), kernel)
}

const registers: Readonly<Record<Architecture, Registers>> = {
  x64: {
    arguments: [['di'], ['si'], ['dx'], ['cx'], ['r8'], ['r9']],
    result: ['ax'],
    systemCall: [['di'], ['si'], ['dx'], ['r10'], ['r8'], ['r9']],
    instructionPointer: ['ip'],
    named: Object.fromEntries(x64Names.map((name) => [name, [name]])),
  },
  arm64: {
    arguments: numbered(8),
    result: ['regs', 0],
    // The first is overwritten by the result.
    systemCall: [['orig_x0'], ...numbered(6).slice(1)],
    instructionPointer: ['pc'],
    named: {
      ...Object.fromEntries(numbered(31).map((path, i) => [`r${i}`, path])),
      ...Object.fromEntries(['sp', 'pc', 'pstate'].map((name) => [name, [name]])),
    },
  },
}

/** How many arguments are in registers. */
export function argumentRegisters({ target }: KernelMemory): number {
  return registers[target.architecture].arguments.length
}

export function argumentRegister(compiler: KernelMemory, program: ModuleProgram, index: number): number {
  return register(compiler, program, registers[compiler.target.architecture].arguments[index]!)
}

export function resultRegister(compiler: KernelMemory, program: ModuleProgram): number {
  return register(compiler, program, registers[compiler.target.architecture].result)
}

/** The address at which the process was interrupted. */
export function instructionPointer(compiler: KernelMemory, context: number): number {
  const path = registers[compiler.target.architecture].instructionPointer
  const { core, offset } = placeOf(compiler, compiler.program, path)
  const d = compiler.newReg()
  compiler.push({ op: 'load', d, base: context, offset, size: 8, core })
  return d
}

/** The programs whose context is struct pt_regs; that of perf events begins with it. */
const withRegistersAsContext =
  /^(registers|registers of a call|result in a register|probe arguments|system call arguments)$/

/** A register of the code that was interrupted, by its name. */
export function registerNamed(compiler: KernelMemory, name: string, node: ast.Node): number {
  const { program, source, target } = compiler
  const { parameters, context } = hooks[program.hook]!
  if (!withRegistersAsContext.test(parameters) && context !== 'bpf_perf_event_data')
    source.fail(
      node,
      'there are no registers here: programs of kprobes, uprobes, USDT probes and perf events have them',
    )
  const { named } = registers[target.architecture]
  const path = own(named, name)
  if (path === undefined) {
    const names = Object.keys(named)
    return source.fail(
      node,
      `there is no register '${name}'; there are ${names.join(', ')}`,
      nearest(name, names),
    )
  }
  return register(compiler, program, path, node)
}

/** The kernel's function for a system call has one argument: the registers of the process. */
export function systemCallArgument(compiler: KernelMemory, program: ModuleProgram, index: number): number {
  const { core, offset } = placeOf(
    compiler,
    program,
    registers[compiler.target.architecture].systemCall[index]!,
  )
  const outer = argumentRegister(compiler, program, 0)
  const [address, d] = [compiler.newReg(), compiler.newReg()]
  compiler.push({ op: 'alu', operation: 'add', bits: 64, d: address, a: outer, b: { imm: offset }, core })
  const slot = compiler.newSlot(8, program.node)
  compiler.call('probe_read_kernel', [{ frame: slot }, { imm: 8 }, { reg: address }])
  compiler.push({ op: 'load', d, base: 'frame', offset: slot, size: 8 })
  return d
}

/** A register of the interrupted function. The context is a struct pt_regs, which is read directly. */
function register(
  compiler: KernelMemory,
  program: ModuleProgram,
  path: Path,
  node: ast.Node = program.node,
): number {
  const { core, offset } = placeOf(compiler, program, path)
  const d = compiler.newReg()
  compiler.push({ op: 'load', d, base: compiler.contextFor(node), offset, size: 8, core })
  return d
}

function placeOf({ kernel, source }: KernelMemory, program: ModuleProgram, path: Path) {
  const record =
    kernel.record(foreignRegisters) ??
    kernel.record('pt_regs') ??
    source.fail(program.node, 'the types of the kernel have no pt_regs')
  let typeId = record.id
  for (const step of path) {
    const type = kernel.btf.resolve(typeId)
    if (typeof step === 'number') {
      if (type.kind === 'array') typeId = type.typeId
      continue
    }
    const isRecord = type.kind === 'struct' || type.kind === 'union'
    const member = isRecord ? kernel.member(type, step) : undefined
    if (member === undefined) {
      return source.fail(
        program.node,
        `struct pt_regs of these types has no '${step}': they are of another machine`,
      )
    }
    typeId = member.typeId
  }
  return kernel.offsetOf({ root: record, steps: path, typeId })
}
