// Builds object files without a compiler: what libbpf opens, links and loads as if clang had written it.
import { littleEndian as machineIsLittle } from '../machine/byte-order.js'
import { type FunctionInfo, type LineInfo, type SectionInfo, writeBtfExt } from './btf-ext.js'
import { BtfWriter, type SectionVariable } from './btf-writer.js'
import {
  alignOf,
  type CType,
  type PrototypeType,
  pointer,
  prototype,
  s32,
  sizeOf,
  voidType,
} from './c-types.js'
import { type ElfRelocation, type ElfSection, type ElfSymbol, writeElf } from './elf-writer.js'
import { assemble, type Instruction, type SourceLine, slotsOf } from './instruction.js'
import { BPF_PSEUDO_CALL, ldImm64Code } from './isa.js'
import { definitionType, type MapDefinition, slotsOffset } from './map-definition.js'
import { concat } from './strings.js'

export interface ProgramDefinition {
  /** The section name in SEC(), such as 'xdp' or 'raw_tp/sched_process_exec'. */
  section: string
  instructions: readonly Instruction[]
  /** The C type of its function; `int (void *ctx)` by default. */
  type?: PrototypeType
}

/** A function that programs call. */
export interface FunctionDefinition {
  instructions: readonly Instruction[]
  type: PrototypeType
  /**
   * The verifier checks a global function once, without knowing its callers' arguments; a static one at each call.
   * Static by default.
   */
  linkage?: 'static' | 'global'
}

export interface GlobalDefinition {
  type: CType
  /**
   * `.rodata` for constants, `.data` and `.bss` for variables, or another data section's name. By default `.data` with
   * a value, else `.bss`. What is in `.rodata.str1.1`, where compilers put literals, has no name in the
   * object.
   */
  section?: string
  /** The bytes of its initial value; zeros by default. */
  value?: Uint8Array
  /** Tags of `__attribute__((btf_decl_tag(...)))`. */
  tags?: readonly string[]
  /** 'global' by default. Several files that are linked may have static variables of the same name. */
  linkage?: 'static' | 'global'
  /** Several files that are linked may define it; the first definition counts. */
  weak?: boolean
  /** Members that point to programs, by their offsets in bytes: the functions of a struct in `.struct_ops.link`. */
  pointers?: readonly { readonly offset: number; readonly program: string }[]
}

/** Something that the kernel or its configuration defines. */
export interface ExternDefinition {
  kind: 'kconfig' | 'ksym' | 'kfunc'
  /** The type of the variable, or the prototype of the function. */
  type: CType
  /** May be missing: its address is then 0. */
  weak?: boolean
}

export interface ObjectDefinition {
  /** The license, which the kernel checks: some helpers require 'GPL'. */
  license?: string
  maps?: Readonly<Record<string, MapDefinition>>
  programs?: Readonly<Record<string, ProgramDefinition>>
  functions?: Readonly<Record<string, FunctionDefinition>>
  globals?: Readonly<Record<string, GlobalDefinition>>
  externs?: Readonly<Record<string, ExternDefinition>>
  /** The byte order of the machine that it is for; this machine's by default. */
  littleEndian?: boolean
}

interface Code {
  readonly name: string
  readonly instructions: readonly Instruction[]
  readonly type: PrototypeType
  readonly linkage: 'static' | 'global'
}

const programType = prototype(s32, { ctx: pointer(voidType) })

/**
 * Writes an object file: maps, programs, global variables, and their types as BTF.
 *
 * @returns the bytes of an ELF file, for `BpfObject.open`, a file, or the linker
 * @throws RangeError or TypeError that names what does not fit together
 */
export function buildObject(definition: ObjectDefinition): Uint8Array {
  return new ObjectWriter(definition).bytes()
}

class ObjectWriter {
  readonly #definition: ObjectDefinition
  readonly #littleEndian: boolean
  readonly #btf: BtfWriter
  readonly #hasLines: boolean
  readonly #sections: ElfSection[] = []
  readonly #symbols: ElfSymbol[] = []
  readonly #relocations: ElfRelocation[] = []
  readonly #info: SectionInfo[] = []
  /** Where the static functions begin in .text, in bytes. */
  readonly #staticFunctions = new Map<string, number>()
  #needsTextSymbol = false

  constructor(definition: ObjectDefinition) {
    this.#definition = definition
    this.#littleEndian = definition.littleEndian ?? machineIsLittle
    this.#btf = new BtfWriter(this.#littleEndian)
    const code = [...Object.values(definition.programs ?? {}), ...Object.values(definition.functions ?? {})]
    this.#hasLines = code.some(({ instructions }) => lineOf(instructions) !== undefined)
  }

  bytes(): Uint8Array {
    const { license, programs = {}, functions = {} } = this.#definition
    this.#expectUniqueNames()
    const code = Object.entries(functions).map(([name, { linkage = 'static', ...rest }]) => {
      return { name, linkage, ...rest }
    })
    let at = 0
    for (const { name, linkage, instructions } of code) {
      if (linkage === 'static') this.#staticFunctions.set(name, at)
      at += instructions.reduce((sum, instruction) => sum + slotsOf(instruction), 0) * 8
    }
    if (code.length > 0) this.#codeSection('.text', code)
    for (const [section, list] of bySection(programs)) this.#codeSection(section, list)
    if (this.#needsTextSymbol) {
      this.#symbols.push({
        name: '.text',
        type: 'section',
        binding: 'local',
        section: '.text',
        value: 0,
        size: 0,
      })
    }
    if (license !== undefined) this.#license(license)
    this.#maps()
    this.#globals()
    this.#externs()
    const ext = writeBtfExt(this.#info, this.#littleEndian)
    this.#sections.push({ name: '.BTF', bytes: this.#btf.bytes(), content: 'other', align: 4 })
    if (this.#info.length > 0)
      this.#sections.push({ name: '.BTF.ext', bytes: ext, content: 'other', align: 4 })
    return writeElf(this.#sections, this.#symbols, this.#relocations, this.#littleEndian)
  }

  #expectUniqueNames(): void {
    const { maps = {}, programs = {}, functions = {}, globals = {}, externs = {} } = this.#definition
    const seen = new Set<string>()
    for (const name of [maps, programs, functions, globals, externs].flatMap((named) => Object.keys(named))) {
      if (seen.has(name)) throw new RangeError(`two things of the object are called '${name}'`)
      seen.add(name)
    }
  }

  #codeSection(section: string, list: readonly Code[]): void {
    const chunks: Uint8Array[] = []
    const functions: FunctionInfo[] = []
    const lines: LineInfo[] = []
    const core: SectionInfo['core'][number][] = []
    let at = 0
    for (const { name, instructions, type, linkage } of list) {
      const bytes = this.#assemble(section, at, name, instructions)
      this.#symbols.push({
        name,
        type: 'function',
        binding: linkage === 'static' ? 'local' : 'global',
        section,
        value: at,
        size: bytes.length,
      })
      functions.push({ offset: at, typeId: this.#btf.function(name, type, linkage) })
      let offset = at
      let line = this.#firstLine(name, instructions, section === '.text' && linkage === 'global')
      if (line !== undefined) lines.push({ offset, ...this.#line(line) })
      for (const instruction of instructions) {
        if (instruction.line !== undefined && instruction.line !== line) {
          line = instruction.line
          lines.push({ offset, ...this.#line(line) })
        }
        if (instruction.core !== undefined) {
          const { type, access, kind } = instruction.core
          const typeId = typeof type === 'number' ? type : this.#btf.type(type)
          core.push({ offset, typeId, access: this.#btf.strings.add(access), kind })
        }
        offset += slotsOf(instruction) * 8
      }
      chunks.push(bytes)
      at = offset
    }
    this.#sections.push({ name: section, bytes: concat(chunks), content: 'code', align: 8 })
    this.#info.push({ name: this.#btf.strings.add(section), functions, lines, core })
  }

  /**
   * The verifier wants a line at the start of each function, as soon as there are any. Programs of other objects may
   * call a global function, and theirs have lines.
   */
  #firstLine(name: string, instructions: readonly Instruction[], isShared: boolean): SourceLine | undefined {
    const found = lineOf(instructions)
    if (found !== undefined || !(isShared || this.#hasLines)) return found
    return { file: '<instructions>', text: name, line: 1, column: 0 }
  }

  #line({ file, text, line, column }: SourceLine): Omit<LineInfo, 'offset'> {
    const { strings } = this.#btf
    return { file: strings.add(file), text: strings.add(text), line, column: Math.min(column, 1023) }
  }

  /** Assembles a function. Names outside the function become relocations. */
  #assemble(section: string, start: number, name: string, instructions: readonly Instruction[]): Uint8Array {
    const labels = new Set(instructions.flatMap(({ labels = [] }) => labels))
    let offset = start
    const local = instructions.map((instruction) => {
      const here = offset
      offset += slotsOf(instruction) * 8
      const { target, symbol, ...rest } = instruction
      if (symbol !== undefined) return this.#refer(section, here, rest, symbol)
      if (target === undefined || labels.has(target)) return instruction
      if (!this.#isFunction(target)) {
        throw new RangeError(`'${name}' goes to '${target}', which is neither a label in it nor a function`)
      }
      const isAddress = rest.code === ldImm64Code
      const place = isAddress ? this.#staticFunctions.get(target) : undefined
      if (place !== undefined) {
        // libbpf finds the address of a static function by its place in the section, as clang writes it.
        this.#needsTextSymbol = true
        this.#relocations.push({ section, offset: here, symbol: '.text', type: 'R_BPF_64_64' })
        return { ...rest, imm: BigInt(place) }
      }
      this.#relocations.push({
        section,
        offset: here,
        symbol: target,
        type: isAddress ? 'R_BPF_64_64' : 'R_BPF_64_32',
      })
      return rest
    })
    try {
      return assemble(local, { littleEndian: this.#littleEndian })
    } catch (error) {
      throw new RangeError(`'${name}': ${(error as Error).message}`, { cause: error })
    }
  }

  #refer(
    section: string,
    offset: number,
    instruction: Instruction,
    { kind, name, offset: addend = 0 }: NonNullable<Instruction['symbol']>,
  ): Instruction {
    const { maps = {}, globals = {}, externs = {} } = this.#definition
    const owner = { map: maps, data: globals, extern: externs, kfunc: externs }[kind]
    if (!Object.hasOwn(owner, name)) {
      throw new RangeError(`an instruction refers to the ${kind} '${name}', which the object does not have`)
    }
    const isCall = kind === 'kfunc'
    this.#relocations.push({ section, offset, symbol: name, type: isCall ? 'R_BPF_64_32' : 'R_BPF_64_64' })
    // libbpf turns this into a call of a kernel function when it finds that the symbol is the kernel's.
    if (isCall) return { ...instruction, src: BPF_PSEUDO_CALL }
    return kind === 'data' ? { ...instruction, imm: BigInt(addend) } : instruction
  }

  #isFunction(name: string): boolean {
    const { programs = {}, functions = {} } = this.#definition
    return Object.hasOwn(functions, name) || Object.hasOwn(programs, name)
  }

  #license(license: string): void {
    const bytes = new TextEncoder().encode(`${license}\0`)
    // Without a symbol: the linker asks for the type of a global one, and objects with the same license can be linked.
    this.#sections.push({ name: 'license', bytes, content: 'data' })
  }

  #maps(): void {
    const maps = Object.entries(this.#definition.maps ?? {})
    if (maps.length === 0) return
    const variables: SectionVariable[] = []
    let at = 0
    for (const [name, map] of maps) {
      const type = definitionType(name, map)
      this.#symbols.push({
        name,
        type: 'object',
        binding: map.weak ? 'weak' : 'global',
        section: '.maps',
        value: at,
        size: type.size,
      })
      const id = this.#btf.variable(name, type, 'global')
      for (const tag of map.tags ?? []) this.#btf.declTag(tag, id)
      variables.push({ id, offset: at, size: type.size })
      for (const [i, value] of (map.values ?? []).entries()) {
        if (value === undefined) continue
        const offset = at + slotsOffset(type) + i * 8
        this.#relocations.push({ section: '.maps', offset, symbol: value, type: 'R_BPF_64_ABS64' })
      }
      at += type.size
    }
    this.#sections.push({ name: '.maps', bytes: new Uint8Array(at), content: 'data', align: 8 })
    this.#btf.section('.maps', at, variables)
  }

  #globals(): void {
    const sections = new Map<string, [string, GlobalDefinition][]>()
    for (const [name, global] of Object.entries(this.#definition.globals ?? {})) {
      const section = global.section ?? (global.value === undefined ? '.bss' : '.data')
      sections.set(section, [...(sections.get(section) ?? []), [name, global]])
    }
    for (const [section, globals] of sections) this.#dataSection(section, globals)
  }

  #dataSection(section: string, globals: readonly [string, GlobalDefinition][]): void {
    const variables: SectionVariable[] = []
    const chunks: Uint8Array[] = []
    const isLiteral = section.startsWith('.rodata.str')
    let at = 0
    let align = 1
    for (const [name, global] of globals) {
      const { type, value, tags = [], linkage = 'global', weak = false, pointers = [] } = global
      const size = sizeOf(type)
      if (value !== undefined && value.length !== size) {
        throw new RangeError(`the value of '${name}' has ${value.length} bytes, its type has ${size}`)
      }
      const own = alignOf(type)
      align = Math.max(align, own)
      const padding = (own - (at % own)) % own
      at += padding
      chunks.push(new Uint8Array(padding), value ?? new Uint8Array(size))
      for (const { offset, program } of pointers)
        this.#relocations.push({ section, offset: at + offset, symbol: program, type: 'R_BPF_64_ABS64' })
      const binding = isLiteral || linkage === 'static' ? 'local' : weak ? 'weak' : 'global'
      this.#symbols.push({ name, type: 'object', binding, section, value: at, size })
      if (!isLiteral) {
        const id = this.#btf.variable(name, type, linkage)
        for (const tag of tags) this.#btf.declTag(tag, id)
        variables.push({ id, offset: at, size })
      }
      at += size
    }
    const content = section.startsWith('.rodata')
      ? 'constants'
      : section.startsWith('.bss')
        ? 'zeros'
        : 'data'
    this.#sections.push({ name: section, bytes: concat(chunks), content, align })
    if (!isLiteral) this.#btf.section(section, at, variables)
  }

  #externs(): void {
    const sections = new Map<string, SectionVariable[]>()
    for (const [name, { kind, type, weak = false }] of Object.entries(this.#definition.externs ?? {})) {
      this.#symbols.push({
        name,
        type: 'none',
        binding: weak ? 'weak' : 'global',
        section: undefined,
        value: 0,
        size: 0,
      })
      const id =
        type.kind === 'func_proto'
          ? this.#btf.function(name, type, 'extern')
          : this.#btf.variable(name, type, 'extern')
      const section = kind === 'kconfig' ? '.kconfig' : '.ksyms'
      const size = type.kind === 'func_proto' || isVoid(type) ? 0 : sizeOf(type)
      sections.set(section, [...(sections.get(section) ?? []), { id, offset: 0, size }])
    }
    for (const [section, variables] of sections) this.#btf.section(section, 0, variables)
  }
}

function isVoid(type: CType): boolean {
  return type.kind === 'void' || ('to' in type && type.kind !== 'ptr' && isVoid(type.to))
}

function bySection(programs: Readonly<Record<string, ProgramDefinition>>): Map<string, Code[]> {
  const sections = new Map<string, Code[]>()
  for (const [name, { section, instructions, type = programType }] of Object.entries(programs)) {
    const code = { name, instructions, type, linkage: 'global' as const }
    sections.set(section, [...(sections.get(section) ?? []), code])
  }
  return sections
}

/** The first line of source that instructions were made from. */
function lineOf(instructions: readonly Instruction[]): SourceLine | undefined {
  return instructions.find(({ line }) => line !== undefined)?.line
}
