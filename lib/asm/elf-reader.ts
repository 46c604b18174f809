// Reads a relocatable ELF file for the BPF machine: its sections, symbols and relocations as data.
import { viewOf } from '../btf/bytes.js'
import {
  Elf,
  memorySource,
  type Section,
  SHT_NOBITS,
  SHT_NULL,
  SHT_REL,
  SHT_SYMTAB,
  stringAt,
} from '../machine/elf-file.js'

export interface ElfSectionInfo {
  readonly index: number
  readonly name: string
  /** `SHT_*` of elf.h: 1 has bytes, 8 (.bss) has none in the file. */
  readonly type: number
  /** `SHF_*` of elf.h. */
  readonly flags: number
  /** Bytes. */
  readonly size: number
  readonly align: number
  /** What is in the file; zeros for a section without bytes. */
  readonly bytes: Uint8Array
  readonly link: number
  readonly info: number
}

export interface ElfSymbolInfo {
  readonly name: string
  readonly type: 'none' | 'object' | 'function' | 'section' | 'file' | 'other'
  readonly binding: 'local' | 'global' | 'weak'
  readonly hidden: boolean
  /** The name of its section; `undefined` for a symbol that something else defines. */
  readonly section: string | undefined
  readonly value: number
  readonly size: number
}

export interface ElfRelocationInfo {
  /** The section that is changed. */
  readonly section: string
  /** Bytes from its start. */
  readonly offset: number
  readonly symbol: ElfSymbolInfo
  /** `R_BPF_*`: 1 for ld_imm64, 10 for calls, 2 to 4 for data. */
  readonly type: number
}

export interface ElfFile {
  readonly littleEndian: boolean
  readonly sections: readonly ElfSectionInfo[]
  readonly symbols: readonly ElfSymbolInfo[]
  readonly relocations: readonly ElfRelocationInfo[]
}

const EM_BPF = 247
const symbolTypes = ['none', 'object', 'function', 'section', 'file'] as const
const bindings = ['local', 'global', 'weak'] as const
/**
 * The largest section of zeros that is accepted. No real file has a larger one, and so a wrong size costs no memory.
 */
const mostZeros = 1 << 30

/** @throws RangeError that says what is wrong with the file */
export function readElf(bytes: Uint8Array): ElfFile {
  const elf = new Elf(memorySource(bytes))
  if (!elf.is64) throw new RangeError('this is an ELF file of 32 bits; BPF has 64')
  if (elf.machine !== EM_BPF) throw new RangeError('this is an ELF file, but not for BPF')
  try {
    if (elf.isCut) throw new RangeError('it ends before its table of sections does')
    return new Reader(bytes, elf).file()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new RangeError(`the ELF file is damaged: ${error.message}`, { cause: error })
  }
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #elf: Elf
  readonly #little: boolean

  constructor(bytes: Uint8Array, elf: Elf) {
    this.#bytes = bytes
    this.#elf = elf
    this.#little = elf.littleEndian
  }

  file(): ElfFile {
    const sections = this.#elf.sections.map((section, index): ElfSectionInfo => {
      const { name, type, flags, size, align, link, info } = section
      return { index, name, type, flags, size, align, bytes: this.#contents(section), link, info }
    })
    const table = sections.find(({ type }) => type === SHT_SYMTAB)
    const symbols = table === undefined ? [] : this.#symbols(sections, table)
    const relocations = sections
      .filter(({ type }) => type === SHT_REL)
      .flatMap((section) => this.#relocations(sections, section, symbols))
    return { littleEndian: this.#little, sections, symbols: symbols.slice(1), relocations }
  }

  #contents({ type, offset, size }: Section): Uint8Array {
    if (type === SHT_NULL) return new Uint8Array(0)
    if (type === SHT_NOBITS) {
      if (size > mostZeros) throw new RangeError(`a section has ${size} bytes of zeros`)
      return new Uint8Array(size)
    }
    if (offset + size > this.#bytes.length) throw new RangeError('a section lies beyond the end of the file')
    return this.#bytes.subarray(offset, offset + size)
  }

  #symbols(sections: readonly ElfSectionInfo[], table: ElfSectionInfo): ElfSymbolInfo[] {
    const strings = sections[table.link]?.bytes ?? new Uint8Array(0)
    const view = viewOf(table.bytes)
    return Array.from({ length: Math.floor(table.bytes.length / 24) }, (_, i) => {
      const at = i * 24
      const info = view.getUint8(at + 4)
      const section = sections[view.getUint16(at + 6, this.#little)]
      const name = stringAt(strings, view.getUint32(at, this.#little))
      const type = symbolTypes[info & 15] ?? 'other'
      return {
        name: type === 'section' ? (section?.name ?? '') : name,
        type,
        binding: bindings[info >> 4] ?? 'local',
        hidden: (view.getUint8(at + 5) & 3) === 2,
        section: section === undefined || section.index === 0 ? undefined : section.name,
        value: this.#word(view, at + 8),
        size: this.#word(view, at + 16),
      }
    })
  }

  #relocations(
    sections: readonly ElfSectionInfo[],
    { bytes, info }: ElfSectionInfo,
    symbols: readonly ElfSymbolInfo[],
  ): ElfRelocationInfo[] {
    const target = sections[info]
    if (target === undefined) throw new RangeError('relocations are for a section that does not exist')
    const view = viewOf(bytes)
    return Array.from({ length: Math.floor(bytes.length / 16) }, (_, i) => {
      const what = view.getBigUint64(i * 16 + 8, this.#little)
      const symbol = symbols[Number(what >> 32n)]
      if (symbol === undefined) throw new RangeError('a relocation is for a symbol that does not exist')
      return {
        section: target.name,
        offset: this.#word(view, i * 16),
        symbol,
        type: Number(what & 0xffff_ffffn),
      }
    })
  }

  #word(view: DataView, at: number): number {
    const value = view.getBigUint64(at, this.#little)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`a size or offset is ${value}`)
    return Number(value)
  }
}
