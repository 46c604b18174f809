// The instructions and the machine code of a program in the kernel, with the C lines that they come from.
import { readFileSync } from 'node:fs'
import type { ProgramDump as NativeDump } from '../../types/binding.js'
import { disassembleWith, type Fields, type Instruction } from '../asm/text.js'
import { Btf } from '../btf/btf.js'
import type { BtfTypes } from '../btf/parse.js'
import type { BtfType } from '../btf/types.js'
import { attempt } from '../errors/attempt.js'
import { BpfError, type SourceLine } from '../errors/errors.js'
import { programInfo } from '../kernel/inventory.js'
import { littleEndian } from '../machine/byte-order.js'
import { native } from '../native/binding.js'
import type { ProgramInfo } from './info.js'

/** One instruction of a program in the kernel. */
export interface DumpedInstruction extends Instruction {
  /** The C declaration of the function that begins here. */
  readonly function?: string
  /** The C line that begins here. */
  readonly source?: SourceLine
}

/** The machine code of one function. */
export interface JitedFunction {
  /** The C declaration; '' without BTF. */
  readonly name: string
  /** The address in the kernel. */
  readonly address: bigint
  readonly bytes: Uint8Array
  /** Where C lines begin, in bytes from the beginning of the function. */
  readonly lines: readonly { readonly offset: number; readonly source: SourceLine }[]
}

/** A program as it is in the kernel. */
export interface ProgramDump {
  readonly info: ProgramInfo
  /** The instructions after the verifier has rewritten them; empty if the kernel hides them from this process. */
  readonly instructions: readonly DumpedInstruction[]
  /** The machine code; empty without the JIT, or if the kernel hides it. */
  readonly jited: readonly JitedFunction[]
}

/**
 * Returns the instructions and the machine code of any program in the kernel, with the C lines if it was compiled with
 * `-g`. (`bpf_prog_get_info_by_fd`, Linux 4.13, lines 5.0; requires CAP_SYS_ADMIN)
 *
 * @param id - the kernel's id of the program
 */
export function dumpProgram(id: number): ProgramDump {
  return withProgram(id, dumpProgramFd)
}

/**
 * The machine code of any program in the kernel, without the instructions, because naming those takes long. @internal
 */
export function jitedFunctionsOf(id: number): readonly JitedFunction[] {
  return withProgram(id, (info, fd) => {
    const dump = native.programDump(fd)
    using btf = btfOf(info)
    const types = btf?.types
    return types === undefined
      ? jitedOf(dump, [], [])
      : jitedOf(dump, functionsOf(types, dump), linesOf(types, dump))
  })
}

function withProgram<T>(id: number, read: (info: ProgramInfo, fd: number) => T): T {
  const what = `read program ${id}`
  const info = programInfo(id)
  const fd = attempt({ what, capabilities: () => ['CAP_SYS_ADMIN'] }, () => native.programFdById(id))
  try {
    return attempt({ what }, () => read(info, fd))
  } finally {
    native.descriptorClose(fd)
  }
}

/** {@link dumpProgram} for a program with a descriptor. @internal */
export function dumpProgramFd(info: ProgramInfo, fd: number): ProgramDump {
  const dump = native.programDump(fd)
  using btf = btfOf(info)
  const types = btf?.types
  const functions = types === undefined ? [] : functionsOf(types, dump)
  const lines = types === undefined ? [] : linesOf(types, dump)
  return {
    info,
    instructions: instructionsOf(dump, functions, lines),
    jited: jitedOf(dump, functions, lines),
  }
}

/** The kernel keeps 15 characters of a name. The program's BTF, if this process may read it, has all of them. @internal */
export function fullName(info: Pick<ProgramInfo, 'name' | 'btfId'>, fd: number): string {
  if (info.name.length < 15) return info.name
  using btf = btfOf(info)
  if (btf === undefined) return info.name
  const { functionInfo, functionInfoSize } = native.programDump(fd)
  const [first] = records(functionInfo, functionInfoSize)
  const type = first === undefined ? undefined : btf.types.type(first.getUint32(4, littleEndian))
  return type?.kind === 'func' && type.name.startsWith(info.name) ? type.name : info.name
}

/** `undefined` if the program has no BTF, or this process may not read it. */
function btfOf({ btfId }: Pick<ProgramInfo, 'btfId'>): Btf | undefined {
  try {
    return btfId === 0 ? undefined : Btf.fromId(btfId)
  } catch (error) {
    if (error instanceof BpfError) return undefined
    throw error
  }
}

interface Line {
  /** The index of the instruction. */
  index: number
  source: SourceLine
}

function records(bytes: Uint8Array, size: number): DataView[] {
  const count = size === 0 ? 0 : Math.floor(bytes.length / size)
  return Array.from(
    { length: count },
    (_, i) => new DataView(bytes.buffer, bytes.byteOffset + i * size, size),
  )
}

/** Reads struct bpf_func_info: instruction, type. */
function functionsOf(types: BtfTypes, dump: NativeDump): { index: number; name: string }[] {
  return records(dump.functionInfo, dump.functionInfoSize).map((view) => ({
    index: view.getUint32(0, littleEndian),
    name: signature(types, view.getUint32(4, littleEndian)),
  }))
}

/** Reads struct bpf_line_info: instruction, file, text, line and column. */
function linesOf(types: BtfTypes, dump: NativeDump): Line[] {
  return records(dump.lineInfo, dump.lineInfoSize).map((view) => ({
    index: view.getUint32(0, littleEndian),
    source: {
      file: types.text(view.getUint32(4, littleEndian)),
      line: view.getUint32(12, littleEndian) >>> 10,
      text: types.text(view.getUint32(8, littleEndian)).trim(),
    },
  }))
}

function instructionsOf(
  dump: NativeDump,
  functions: readonly { index: number; name: string }[],
  lines: readonly Line[],
): DumpedInstruction[] {
  const names = new Map(functions.map(({ index, name }) => [index, name]))
  const call = callNames(dump)
  let next = 0
  return disassembleWith(dump.xlated, { call }).map((instruction) => {
    const name = names.get(instruction.index)
    let source: SourceLine | undefined
    // The lines of removed instructions belong to the next one. The last of these lines is the closest.
    if (next < lines.length && lines[next]!.index <= instruction.index) {
      let last = next
      while (last + 1 < lines.length && lines[last + 1]!.index <= instruction.index) last++
      source = lines[last]!.source
      next++
    }
    return {
      ...instruction,
      ...(name !== undefined && name !== '' && { function: name }),
      ...(source !== undefined && { source }),
    }
  })
}

function jitedOf(
  dump: NativeDump,
  functions: readonly { name: string }[],
  lines: readonly Line[],
): JitedFunction[] {
  const lengths = records(dump.jitedLengths, 4).map((view) => view.getUint32(0, littleEndian))
  const addresses = dump.jitedAddresses
  let start = 0
  return lengths.map((length, i) => {
    const address = addresses[i] ?? 0n
    const end = address + BigInt(length)
    const here: { offset: number; source: SourceLine }[] = []
    for (const [k, at] of dump.jitedLines.entries()) {
      const line = lines[k]
      if (line === undefined || at < address || at >= end) continue
      here.push({ offset: Number(at - address), source: line.source })
    }
    const bytes = dump.jited.subarray(start, start + length)
    start += length
    return { name: functions[i]?.name ?? '', address, bytes, lines: here }
  })
}

// ---- Names

/**
 * Names what is called. Helpers are given by their distance from `__bpf_call_base`, or, where the JIT replaces the
 * calls with instructions (arm64, riscv64), still by their number. Other functions of the program are given by their
 * addresses.
 */
function callNames(dump: NativeDump): (fields: Fields) => string | undefined {
  const symbols = new Symbols()
  const helpers = native.helperNames()
  return ({ src, offset, immediate }) => {
    if (src === 1) {
      if (dump.jitedAddresses.length === 0) return signed(offset)
      const address = dump.jitedAddresses[immediate >>> 0]
      if (address === undefined) return signed(offset)
      return `${signed(offset)}#${symbols.name(address) ?? `0x${address.toString(16)}`}`
    }
    if (immediate === 0) return undefined
    const helper = src === 0 ? helpers[immediate] : undefined
    if (helper !== undefined) return `bpf_${helper}`
    const address = BigInt.asUintN(64, symbols.callBase + BigInt(immediate))
    return symbols.name(address) ?? `0x${address.toString(16)}`
  }
}

const signed = (value: number): string => (value < 0 ? String(value) : `+${value}`)

/** /proc/kallsyms, read when it is first needed. */
class Symbols {
  #byAddress: Map<string, string> | undefined
  #callBase = 0n

  get callBase(): bigint {
    this.#read()
    return this.#callBase
  }

  name(address: bigint): string | undefined {
    return this.#read().get(address.toString(16).padStart(16, '0'))
  }

  #read(): Map<string, string> {
    if (this.#byAddress !== undefined) return this.#byAddress
    this.#byAddress = new Map()
    let text = ''
    try {
      text = readFileSync('/proc/kallsyms', 'latin1')
    } catch {
      // Addresses stay numbers.
    }
    for (const [, address = '', name = ''] of text.matchAll(/^([0-9a-f]+) \S (\S+)/gm)) {
      if (!this.#byAddress.has(address)) this.#byAddress.set(address, name)
      if (name === '__bpf_call_base') this.#callBase = BigInt(`0x${address}`)
    }
    return this.#byAddress
  }
}

/** As C declares it: `int on_exec(void * ctx)`. */
function signature(types: BtfTypes, id: number): string {
  const type = types.type(id)
  if (type.kind !== 'func') return ''
  const proto = types.type(type.typeId)
  if (proto.kind !== 'func_proto') return type.name
  const parameters = proto.params.map((parameter) => {
    const declared = `${declaration(types, parameter.typeId)}${parameter.name}`
    return declared.trimEnd()
  })
  const list = parameters.length === 0 ? 'void' : parameters.join(', ')
  return `${declaration(types, proto.returnTypeId)}${type.name}(${list})`
}

/** The words before a name, followed by a space. */
function declaration(types: BtfTypes, id: number): string {
  const type: BtfType = types.type(id)
  switch (type.kind) {
    case 'void':
      return 'void '
    case 'ptr':
      return `${declaration(types, type.typeId)}* `
    case 'const':
    case 'volatile':
    case 'restrict':
      return `${type.kind} ${declaration(types, type.typeId)}`
    case 'struct':
    case 'union':
    case 'enum':
      return `${type.kind} ${type.name} `
    case 'enum64':
      return `enum ${type.name} `
    case 'fwd':
      return `${type.of} ${type.name} `
    case 'type_tag':
      return declaration(types, type.typeId)
    default:
      return `${type.name} `
  }
}
