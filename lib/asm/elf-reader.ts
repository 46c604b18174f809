import { viewOf } from '../btf/bytes.js'
// Reads a relocatable ELF file for the BPF machine: its sections, symbols and relocations as data.

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
/** No section that has them would be a section of a file that anybody made: so a wrong size costs no memory. */
const mostZeros = 1 << 30

/** @throws RangeError that says what is wrong with the file */
export function readElf(bytes: Uint8Array): ElfFile {
  if (bytes.length < 64 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) {
    throw new RangeError('this is not an ELF file')
  }
  if (bytes[4] !== 2) throw new RangeError('this is an ELF file of 32 bits; BPF has 64')
  const littleEndian = bytes[5] === 1
  const view = viewOf(bytes)
  if (view.getUint16(18, littleEndian) !== EM_BPF)
    throw new RangeError('this is an ELF file, but not for BPF')
  try {
    return new Reader(bytes, view, littleEndian).file()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new RangeError(`the ELF file is damaged: ${error.message}`, { cause: error })
  }
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #little: boolean

  constructor(bytes: Uint8Array, view: DataView, littleEndian: boolean) {
    this.#bytes = bytes
    this.#view = view
    this.#little = littleEndian
  }

  file(): ElfFile {
    const sections = this.#sections()
    const table = sections.find(({ type }) => type === 2)
    const symbols = table === undefined ? [] : this.#symbols(sections, table)
    const relocations = sections
      .filter(({ type }) => type === 9)
      .flatMap((section) => this.#relocations(sections, section, symbols))
    return { littleEndian: this.#little, sections, symbols: symbols.slice(1), relocations }
  }

  #sections(): ElfSectionInfo[] {
    const view = this.#view
    const offset = this.#word(this.#view, 40)
    const [count, names] = [view.getUint16(60, this.#little), view.getUint16(62, this.#little)]
    const list = Array.from({ length: count }, (_, index) => {
      const at = offset + index * 64
      const type = view.getUint32(at + 4, this.#little)
      const [flags, start, size, align] = [8, 24, 32, 48].map((field) => this.#word(view, at + field))
      return {
        index,
        nameAt: view.getUint32(at, this.#little),
        type,
        flags: flags!,
        size: size!,
        align: align!,
        bytes: this.#contents(type, start!, size!),
        link: view.getUint32(at + 40, this.#little),
        info: view.getUint32(at + 44, this.#little),
      }
    })
    return list.map(({ nameAt, ...rest }) => ({ ...rest, name: this.#string(list[names]?.bytes, nameAt) }))
  }

  #contents(type: number, start: number, size: number): Uint8Array {
    if (type === 0) return new Uint8Array(0)
    if (type === 8) {
      if (size > mostZeros) throw new RangeError(`a section has ${size} bytes of zeros`)
      return new Uint8Array(size)
    }
    if (start + size > this.#bytes.length) throw new RangeError('a section lies beyond the end of the file')
    return this.#bytes.subarray(start, start + size)
  }

  #symbols(sections: readonly ElfSectionInfo[], table: ElfSectionInfo): ElfSymbolInfo[] {
    const strings = sections[table.link]?.bytes
    const view = viewOf(table.bytes)
    return Array.from({ length: Math.floor(table.bytes.length / 24) }, (_, i) => {
      const at = i * 24
      const info = view.getUint8(at + 4)
      const section = sections[view.getUint16(at + 6, this.#little)]
      const name = this.#string(strings, view.getUint32(at, this.#little))
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

  #string(table: Uint8Array | undefined, at: number): string {
    if (table === undefined || at >= table.length) return ''
    const end = table.indexOf(0, at)
    return new TextDecoder().decode(table.subarray(at, end < 0 ? table.length : end))
  }
}
