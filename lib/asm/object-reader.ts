// Reads an object file as data: what object-writer.ts writes, and clang, rustc and libbpf's linker.
import { BtfTypes } from '../btf/parse.js'
import type { BtfStruct, BtfType } from '../btf/types.js'
import { type ReadSection, readBtfExt } from './btf-ext.js'
import {
  type ElfFile,
  type ElfRelocationInfo,
  type ElfSectionInfo,
  type ElfSymbolInfo,
  readElf,
} from './elf-reader.js'
import { disassemble, type Instruction, type SymbolReference, slotsOf } from './instruction.js'
import { callCode, ldImm64Code } from './isa.js'

export interface ObjectFunction {
  readonly name: string
  /** The section of the function, such as 'xdp' or '.text'. */
  readonly section: string
  /** Whether it is a program, as opposed to a function that programs call. */
  readonly isProgram: boolean
  readonly linkage: 'static' | 'global' | 'weak'
  /**
   * Calls and addresses of functions refer to them by name, and instructions that the object file relocates have a
   * `symbol`.
   */
  readonly instructions: readonly Instruction[]
  /** The number of its FUNC in the object's BTF; `undefined` for an object without BTF. */
  readonly typeId: number | undefined
}

/** A map as it is declared. Numbers that the declaration leaves out are 0. */
export interface ObjectMap {
  readonly name: string
  /** `enum bpf_map_type` of linux/bpf.h. */
  readonly type: number
  readonly keySize: number
  readonly valueSize: number
  /** Numbers of types in the object's BTF; 0 if the map is declared with sizes only. */
  readonly keyTypeId: number
  readonly valueTypeId: number
  readonly maxEntries: number
  readonly flags: number
  readonly extra: bigint
  readonly pinByName: boolean
  /** The declaration of the maps in a map of maps. */
  readonly inner: ObjectMap | undefined
  /** What its slots contain from the start: names of maps or programs. */
  readonly values: readonly { readonly slot: number; readonly name: string }[]
}

export interface ObjectVariable {
  readonly name: string
  readonly section: string
  /** Bytes. */
  readonly offset: number
  readonly size: number
  readonly typeId: number
}

export interface ObjectExtern {
  readonly name: string
  readonly kind: 'kconfig' | 'ksym' | 'kfunc'
  readonly typeId: number
  readonly weak: boolean
}

export interface ObjectFile {
  readonly elf: ElfFile
  readonly btf: BtfTypes | undefined
  readonly license: string | undefined
  readonly functions: readonly ObjectFunction[]
  readonly maps: readonly ObjectMap[]
  readonly variables: readonly ObjectVariable[]
  readonly externs: readonly ObjectExtern[]
}

const SHF_EXECINSTR = 4

/**
 * Reads an object file as data: functions with their instructions, maps, variables, externs, and the sections, symbols
 * and relocations of the ELF file.
 *
 * @param bytes - an object file from `buildObject`, clang, rustc or a linker
 * @throws RangeError or TypeError that says what is wrong with the file
 * @example
 * for (const { name, instructions } of readObject(readFileSync('exec.bpf.o')).functions) {
 *   console.log(`${name}:\n${toText(instructions)}`)
 * }
 */
export function readObject(bytes: Uint8Array): ObjectFile {
  const elf = readElf(bytes)
  const contents = (name: string): Uint8Array | undefined =>
    elf.sections.find((section) => section.name === name)?.bytes
  const btfBytes = contents('.BTF')
  const btf = btfBytes && new BtfTypes(btfBytes)
  const extBytes = contents('.BTF.ext')
  const beside = btf && extBytes ? readBtfExt(extBytes, btf) : []
  const license = contents('license')
  const names = functionNames(elf)
  return {
    elf,
    btf,
    license: license && new TextDecoder().decode(license).replace(/\0.*$/s, ''),
    functions: elf.sections
      .filter(({ flags, size }) => (flags & SHF_EXECINSTR) !== 0 && size > 0)
      .flatMap((section) =>
        readCode(
          elf,
          names,
          section,
          beside.find(({ name }) => name === section.name),
        ),
      ),
    maps: btf === undefined ? [] : [...readMaps(elf, btf)],
    variables: btf === undefined ? [] : [...readVariables(elf, btf)],
    externs: btf === undefined ? [] : [...readExterns(elf, btf)],
  }
}

/** The functions of a section, in the order of their offsets. */
function readCode(
  elf: ElfFile,
  names: FunctionNames,
  section: ElfSectionInfo,
  beside: ReadSection | undefined,
): ObjectFunction[] {
  const symbols = functionsIn(elf, section.name)
  const relocations = new Map(
    elf.relocations.filter((r) => r.section === section.name).map((r) => [r.offset, r]),
  )
  const lines = new Map(beside?.lines.map(({ offset, line }) => [offset, line]))
  const core = new Map(beside?.core.map(({ offset, core }) => [offset, core]))
  const bodies = new Map<ElfSymbolInfo, Instruction[]>(symbols.map((symbol) => [symbol, []]))
  let offset = 0
  let current: ElfSymbolInfo | undefined
  let line = lines.get(0)
  for (const instruction of disassemble(section.bytes, elf)) {
    current = symbols.findLast(({ value }) => value <= offset) ?? current
    line = lines.get(offset) ?? line
    const found = core.get(offset)
    const read = {
      ...refer(elf, names, section.name, offset, instruction, relocations.get(offset)),
      ...(line && { line }),
      ...(found && { core: found }),
    }
    if (current !== undefined) bodies.get(current)!.push(withoutFunctionLabels(read))
    offset += slotsOf(instruction) * 8
  }
  return symbols.map((symbol) => ({
    name: names.get(symbol)!,
    section: section.name,
    isProgram: section.name !== '.text',
    linkage: symbol.binding === 'local' ? 'static' : symbol.binding,
    instructions: bodies.get(symbol)!,
    typeId: beside?.functions.find((info) => info.offset === symbol.value)?.typeId,
  }))
}

type FunctionNames = ReadonlyMap<ElfSymbolInfo, string>

/** In a linked object, static functions of several files may have the same name: all but the first get a number. */
function functionNames(elf: ElfFile): FunctionNames {
  const counts = new Map<string, number>()
  return new Map(
    elf.symbols
      .filter(({ type }) => type === 'function')
      .map((symbol) => {
        const count = counts.get(symbol.name) ?? 0
        counts.set(symbol.name, count + 1)
        return [symbol, count === 0 ? symbol.name : `${symbol.name}.${count}`]
      }),
  )
}

function functionsIn(elf: ElfFile, section: string): ElfSymbolInfo[] {
  return elf.symbols
    .filter((symbol) => symbol.type === 'function' && symbol.section === section)
    .sort((a, b) => a.value - b.value)
}

/** Jumps find their labels within a function; functions are found by their names. */
function withoutFunctionLabels({ labels, ...rest }: Instruction): Instruction {
  const own = labels?.filter((label) => !/^F\d+$/.test(label)) ?? []
  return own.length === 0 ? rest : { ...rest, labels: own }
}

/** Fills in the names that an instruction refers to. */
function refer(
  elf: ElfFile,
  names: FunctionNames,
  section: string,
  offset: number,
  instruction: Instruction,
  relocation: ElfRelocationInfo | undefined,
): Instruction {
  const { code, imm, target } = instruction
  if (relocation === undefined) {
    // clang resolves calls within a section itself.
    const isFunction = target !== undefined && /^F\d+$/.test(target)
    const called = isFunction ? functionAt(names, section, Number(target.slice(1)) * 8) : undefined
    return called === undefined ? instruction : { ...instruction, target: called }
  }
  const { symbol } = relocation
  const isCall = code === callCode
  if (symbol.section === undefined) {
    return referTo(instruction, { kind: isCall ? 'kfunc' : 'extern', name: symbol.name })
  }
  const addend = Number(BigInt.asIntN(32, BigInt(imm)))
  const isCode = elf.sections.some(
    ({ name, flags }) => name === symbol.section && (flags & SHF_EXECINSTR) !== 0,
  )
  if (isCall || isCode) {
    const at = symbol.value + (isCall ? (addend + 1) * 8 : addend)
    const name = functionAt(names, symbol.section, at)
    if (name === undefined)
      throw new RangeError(`${section}+${offset}: no function is at ${symbol.section}+${at}`)
    const { target: _, ...rest } = instruction
    return { ...rest, target: name }
  }
  if (symbol.section === '.maps') return referTo(instruction, { kind: 'map', name: symbol.name })
  if (code !== ldImm64Code) throw new RangeError(`${section}+${offset}: this is no instruction to relocate`)
  // Static variables of several files may have the same name, too.
  const isOne = elf.symbols.filter(({ name }) => name === symbol.name).length === 1
  const place = isOne
    ? { name: symbol.name, offset: addend }
    : { name: symbol.section, offset: symbol.value + addend }
  return referTo(instruction, { kind: 'data', ...place })
}

function referTo({ target: _, ...instruction }: Instruction, symbol: SymbolReference): Instruction {
  return { ...instruction, symbol }
}

function functionAt(names: FunctionNames, section: string, value: number): string | undefined {
  for (const [symbol, name] of names) if (symbol.section === section && symbol.value === value) return name
  return undefined
}

function* variablesOf(
  btf: BtfTypes,
  section: string,
): Generator<{ name: string; typeId: number; offset: number; size: number }> {
  for (const { typeId, offset, size } of btf.find(section, 'datasec')?.variables ?? []) {
    const variable = btf.type(typeId)
    if (variable.kind === 'var') yield { name: variable.name, typeId: variable.typeId, offset, size }
  }
}

function* readMaps(elf: ElfFile, btf: BtfTypes): Generator<ObjectMap> {
  const slots = elf.relocations.filter(({ section }) => section === '.maps')
  for (const { name, typeId } of variablesOf(btf, '.maps')) {
    const symbol = elf.symbols.find((s) => s.section === '.maps' && s.name === name)
    const definition = btf.resolve(typeId)
    if (symbol === undefined || definition.kind !== 'struct') continue
    const map = readMap(btf, name, definition)
    const first = definition.members.find((member) => member.name === 'values')
    const from = symbol.value + (first?.bitOffset ?? 0) / 8
    const values = slots
      .filter(({ offset }) => offset >= from && offset < symbol.value + symbol.size)
      .map(({ offset, symbol }) => ({ slot: (offset - from) / 8, name: symbol.name }))
    yield { ...map, values }
  }
}

function readMap(btf: BtfTypes, name: string, { members }: BtfStruct): ObjectMap {
  const member = (wanted: string): BtfType | undefined => {
    const found = members.find(({ name }) => name === wanted)
    return found && btf.resolve(found.typeId)
  }
  const number = (wanted: string): number => lengthOf(btf, member(wanted))
  const type = (wanted: string): number => {
    const found = member(wanted)
    return found?.kind === 'ptr' ? found.typeId : 0
  }
  const valueSize = (): number => {
    if (type('value') !== 0) return btf.sizeOf(type('value'))
    // A slot holds a descriptor.
    return member('values') === undefined ? number('value_size') : 4
  }
  const extra = member('map_extra')
  const values = member('values')
  const slot = values?.kind === 'array' ? btf.resolve(values.typeId) : undefined
  const inside = slot?.kind === 'ptr' ? btf.resolve(slot.typeId) : undefined
  return {
    name,
    type: number('type'),
    keySize: type('key') === 0 ? number('key_size') : btf.sizeOf(type('key')),
    valueSize: valueSize(),
    keyTypeId: type('key'),
    valueTypeId: type('value'),
    maxEntries: number('max_entries'),
    flags: number('map_flags'),
    extra: extra?.kind === 'enum64' ? (extra.values[0]?.value ?? 0n) : BigInt(lengthOf(btf, extra)),
    pinByName: number('pinning') === 1,
    inner: inside?.kind === 'struct' ? readMap(btf, `${name}.inner`, inside) : undefined,
    values: [],
  }
}

/** A number in a map's declaration is the length of an array that a pointer points to. */
function lengthOf(btf: BtfTypes, type: BtfType | undefined): number {
  const array = type?.kind === 'ptr' ? btf.resolve(type.typeId) : undefined
  return array?.kind === 'array' ? array.length : 0
}

const notData = ['.maps', '.kconfig', '.ksyms']

function* readVariables(elf: ElfFile, btf: BtfTypes): Generator<ObjectVariable> {
  for (const { name: section, size: length } of elf.sections) {
    if (notData.includes(section) || length === 0) continue
    for (const { name, typeId, offset, size } of variablesOf(btf, section)) {
      // clang leaves the offset in BTF at 0, and the linker fills it in. The symbol has the offset.
      const symbol = elf.symbols.find((s) => s.section === section && s.name === name)
      yield { name, section, offset: symbol?.value ?? offset, size: symbol?.size ?? size, typeId }
    }
  }
}

function* readExterns(elf: ElfFile, btf: BtfTypes): Generator<ObjectExtern> {
  for (const section of ['.kconfig', '.ksyms'] as const) {
    for (const { typeId } of btf.find(section, 'datasec')?.variables ?? []) {
      const type = btf.type(typeId)
      if (type.kind !== 'var' && type.kind !== 'func') continue
      const symbol = elf.symbols.find((s) => s.section === undefined && s.name === type.name)
      const kind = section === '.kconfig' ? 'kconfig' : type.kind === 'func' ? 'kfunc' : 'ksym'
      yield { name: type.name, kind, typeId: type.typeId, weak: symbol?.binding === 'weak' }
    }
  }
}
