// The functions of an ELF file: from its symbol tables, and the entries of the procedure linkage table.
import { viewOf } from '../btf/bytes.js'
import {
  type Elf,
  type Section,
  SHF_EXECINSTR,
  SHT_DYNSYM,
  SHT_REL,
  SHT_RELA,
  SHT_SYMTAB,
  stringAt,
} from '../machine/elf-file.js'
import type { RawSymbol } from './table.js'

const EM_386 = 3
const EM_X86_64 = 62
const EM_AARCH64 = 183
const [STT_NOTYPE, STT_FUNC, STT_GNU_IFUNC] = [0, 2, 10]
/** Chromium with all its symbols has fewer. More would fill the memory. */
export const mostSymbols = 4_000_000
const [STB_GLOBAL, STB_WEAK] = [1, 2]

/** What a file says about its functions. */
export interface ElfSymbols {
  /** By the addresses that the file was linked for. */
  readonly symbols: RawSymbol[]
  /** Whether `.symtab` is there, which has all functions; `.dynsym` has those that other files may call. */
  readonly complete: boolean
}

/** Reads `.symtab`, or `.dynsym` if there is none. */
export function symbolsOf(elf: Elf): ElfSymbols {
  const table = elf.sections.find(({ type, size }) => type === SHT_SYMTAB && size > 0)
  if (table !== undefined) return { symbols: readTable(elf, table), complete: true }
  const dynamic = elf.sections.find(({ type }) => type === SHT_DYNSYM)
  return { symbols: dynamic === undefined ? [] : readTable(elf, dynamic), complete: false }
}

function readTable(elf: Elf, table: Section): RawSymbol[] {
  const strings = stringsOf(elf, table)
  const { littleEndian, is64 } = elf
  const step = is64 ? 24 : 16
  if (table.size / step > mostSymbols) throw new RangeError(`a symbol table has ${table.size} bytes`)
  const view = viewOf(elf.bytesOf(table))
  const [infoAt, sectionAt, valueAt, sizeAt] = is64 ? [4, 6, 8, 16] : [12, 14, 4, 8]
  const found: RawSymbol[] = []
  for (let here = step; here + step <= view.byteLength; here += step) {
    const info = view.getUint8(here + infoAt!)
    const type = info & 15
    if (type !== STT_FUNC && type !== STT_NOTYPE && type !== STT_GNU_IFUNC) continue
    const index = view.getUint16(here + sectionAt!, littleEndian)
    if (index === 0) continue
    const at = view.getUint32(here, littleEndian)
    if (at === 0) continue
    if (type === STT_NOTYPE && !isLabel(elf.sections[index], strings, at)) continue
    const value = elf.word(view, here + valueAt!)
    const binding = info >> 4
    found.push({
      // The lowest bit says that a function of 32-bit ARM consists of Thumb instructions.
      start: elf.machine === 40 ? value - (value % 2) : value,
      size: elf.word(view, here + sizeAt!),
      rank: (type === STT_NOTYPE ? 0 : 4) + (binding === STB_WEAK ? 0 : 2) + (binding === STB_GLOBAL ? 1 : 0),
      text: strings,
      at,
    })
  }
  return found
}

/** Assembler code has symbols without a type. `$x` and `.L5` are marks of the assembler and the compiler. */
function isLabel(section: Section | undefined, strings: Uint8Array, at: number): boolean {
  const [dollar, dot] = [0x24, 0x2e]
  const first = strings[at]
  return section !== undefined && (section.flags & SHF_EXECINSTR) !== 0 && first !== dollar && first !== dot
}

function stringsOf(elf: Elf, table: Section): Uint8Array {
  const section = elf.sections[table.link]
  return section === undefined ? new Uint8Array(0) : elf.bytesOf(section)
}

/** How the procedure linkage table is laid out: bytes before the first entry, and of each entry. */
const layouts: Readonly<Record<number, { head: number; entry: number }>> = {
  [EM_X86_64]: { head: 16, entry: 16 },
  [EM_386]: { head: 16, entry: 16 },
  [EM_AARCH64]: { head: 32, entry: 16 },
}

/** The entries of the procedure linkage table, through which a file calls functions of others: `malloc@plt`. */
export function pltSymbolsOf(elf: Elf): RawSymbol[] {
  const layout = layouts[elf.machine]
  const found = pltGotSymbolsOf(elf)
  const relocations = elf.sections.find(({ name }) => name === '.rela.plt' || name === '.rel.plt')
  if (layout === undefined || relocations === undefined) return found
  const names = relocationsOf(elf, relocations, mostCalls).map(({ name }) => name)
  const add = (section: Section | undefined, head: number): void => {
    if (section === undefined) return
    for (const [i, name] of names.entries()) {
      const start = section.address + head + i * layout.entry
      if (name === '' || start >= section.address + section.size) continue
      found.push({ start, size: layout.entry, rank: 0, text: `${name}@plt`, at: 0 })
    }
  }
  // With indirect branch tracking, calls go to .plt.sec, whose entries have no head before them.
  const secondary = elf.section('.plt.sec')
  add(secondary, 0)
  const plt = elf.section('.plt')
  // BTI and PAC make the entries of arm64 longer, which shows in the size of the section.
  if (plt !== undefined && (plt.size - layout.head) % layout.entry === 0) {
    const entries = (plt.size - layout.head) / layout.entry
    if (entries === names.length) add(plt, layout.head)
  }
  return found
}

/**
 * The entries for functions whose addresses the file also takes as values: `jmp *slot(%rip)`, without or with a mark for
 * indirect branches before it. The relocation of the slot has the name. Other machines have no such section.
 */
function pltGotSymbolsOf(elf: Elf): RawSymbol[] {
  const section = elf.section('.plt.got')
  const relocations = elf.section('.rela.dyn')
  if (section === undefined || relocations === undefined || elf.machine !== EM_X86_64) return []
  if (section.size > mostCalls * 16) return []
  const view = viewOf(elf.bytesOf(section))
  const size = view.byteLength >= 4 && view.getUint32(0, false) === endbr64 ? 16 : 8
  const starts = new Map<number, number>()
  for (let here = 0; here + size <= view.byteLength; here += size) {
    const jump = jumpIn(view, here, size)
    if (jump !== undefined) starts.set(section.address + jump + 6 + view.getInt32(jump + 2, true), here)
  }
  const found: RawSymbol[] = []
  for (const { slot, name } of relocationsOf(elf, relocations, mostSymbols, (slot) => starts.has(slot))) {
    if (name !== '')
      found.push({ start: section.address + starts.get(slot)!, size, rank: 0, text: `${name}@plt`, at: 0 })
  }
  return found
}

/** `endbr64` as it stands in memory. */
const endbr64 = 0xf30f1efa

/** Where an entry has its `jmp *slot(%rip)`. */
function jumpIn(view: DataView, from: number, size: number): number | undefined {
  for (let at = from; at + 6 <= from + size; at++) if (view.getUint16(at, false) === 0xff25) return at
  return undefined
}

/** No file calls more functions of other files. */
const mostCalls = 100_000

interface Relocation {
  readonly slot: number
  /** The name of the symbol; '' without one. */
  readonly name: string
}

/**
 * The relocations of a section.
 *
 * @param most - a section with more relocations yields none
 * @param wanted - whether a relocation is wanted, by the address that it changes
 */
function relocationsOf(
  elf: Elf,
  section: Section,
  most: number,
  wanted: (slot: number) => boolean = () => true,
): Relocation[] {
  const table = elf.sections[section.link]
  if (table === undefined || (section.type !== SHT_RELA && section.type !== SHT_REL)) return []
  const { littleEndian, is64 } = elf
  const strings = stringsOf(elf, table)
  const symbols = viewOf(elf.bytesOf(table))
  const symbolSize = is64 ? 24 : 16
  const step = (section.type === SHT_RELA ? 3 : 2) * (is64 ? 8 : 4)
  if (section.size / step > most) return []
  const view = viewOf(elf.bytesOf(section))
  const found: Relocation[] = []
  for (let here = 0; here + step <= view.byteLength; here += step) {
    const slot = elf.word(view, here)
    if (!wanted(slot)) continue
    const index = is64
      ? view.getUint32(here + (littleEndian ? 12 : 8), littleEndian)
      : view.getUint32(here + 4, littleEndian) >>> 8
    const at = index * symbolSize
    const isThere = index > 0 && at + symbolSize <= symbols.byteLength
    found.push({ slot, name: isThere ? stringAt(strings, symbols.getUint32(at, littleEndian)) : '' })
  }
  return found
}
