// Writes a relocatable ELF file for the BPF machine, in the form that libbpf, bpftool and LLVM's tools read.
import { concat, StringTable } from './strings.js'

export interface ElfSection {
  readonly name: string
  readonly bytes: Uint8Array
  /** Code or data that is loaded, as opposed to what describes it. */
  readonly content: 'code' | 'data' | 'constants' | 'zeros' | 'other'
  /** Bytes. */
  readonly align?: number
}

export interface ElfSymbol {
  readonly name: string
  /** The symbol of a section has the section's name here, and none in the file. */
  readonly type: 'function' | 'object' | 'section' | 'none'
  readonly binding: 'local' | 'global' | 'weak'
  /** The name of its section; `undefined` for one that another object or the kernel defines. */
  readonly section: string | undefined
  readonly value: number
  readonly size: number
}

export interface ElfRelocation {
  readonly section: string
  /** Bytes from the start of the section. */
  readonly offset: number
  readonly symbol: string
  /** `R_BPF_64_64` for ld_imm64, `R_BPF_64_32` for calls, `R_BPF_64_ABS64` for pointers in data. */
  readonly type: 'R_BPF_64_64' | 'R_BPF_64_32' | 'R_BPF_64_ABS64'
}

const sectionTypes = { progbits: 1, symtab: 2, strtab: 3, nobits: 8, rel: 9 } as const
/** SHF_WRITE, SHF_ALLOC and SHF_EXECINSTR by content. */
const sectionFlags = { code: 6, data: 3, constants: 2, zeros: 3, other: 0 } as const
const SHF_INFO_LINK = 0x40
const symbolTypes = { none: 0, object: 1, function: 2, section: 3 } as const
const bindings = { local: 0, global: 1, weak: 2 } as const
const relocationTypes = { R_BPF_64_64: 1, R_BPF_64_ABS64: 2, R_BPF_64_32: 10 } as const
const EM_BPF = 247

interface Header {
  name: string
  type: number
  flags: number
  bytes: Uint8Array
  /** The size that the header says, for sections that have no bytes in the file. */
  size: number
  link: number
  info: number
  align: number
  entrySize: number
}

export function writeElf(
  sections: readonly ElfSection[],
  symbols: readonly ElfSymbol[],
  relocations: readonly ElfRelocation[],
  littleEndian: boolean,
): Uint8Array {
  const strings = new StringTable()
  const headers: Header[] = [header('', 0, new Uint8Array(0))]
  for (const { name, bytes, content, align = 1 } of sections) {
    const isEmpty = content === 'zeros'
    headers.push({
      ...header(
        name,
        isEmpty ? sectionTypes.nobits : sectionTypes.progbits,
        isEmpty ? new Uint8Array(0) : bytes,
      ),
      size: bytes.length,
      flags: sectionFlags[content],
      align,
    })
  }
  const indexOf = new Map(headers.map(({ name }, i) => [name, i]))
  // Local symbols have to come first: the header says where the others begin.
  const ordered = [...symbols].sort((a, b) => bindings[a.binding] - bindings[b.binding])
  const symbolIndex = new Map(ordered.map(({ name }, i) => [name, i + 1]))
  const symtab = headers.push({
    ...header('.symtab', sectionTypes.symtab, symbolTable(ordered, indexOf, strings, littleEndian)),
    info: 1 + ordered.filter(({ binding }) => binding === 'local').length,
    align: 8,
    entrySize: 24,
  })
  for (const section of new Set(relocations.map(({ section }) => section))) {
    const own = relocations.filter((relocation) => relocation.section === section)
    headers.push({
      ...header(`.rel${section}`, sectionTypes.rel, relocationTable(own, symbolIndex, littleEndian)),
      flags: SHF_INFO_LINK,
      link: symtab - 1,
      info: indexOf.get(section)!,
      align: 8,
      entrySize: 16,
    })
  }
  const strtab = headers.push(header('.strtab', sectionTypes.strtab, new Uint8Array(0))) - 1
  headers[symtab - 1]!.link = strtab
  for (const { name } of headers) strings.add(name)
  headers[strtab]!.bytes = strings.bytes()
  headers[strtab]!.size = headers[strtab]!.bytes.length
  return file(headers, strings, strtab, littleEndian)
}

function header(name: string, type: number, bytes: Uint8Array): Header {
  const size = bytes.length
  return { name, type, bytes, size, flags: 0, link: 0, info: 0, align: 1, entrySize: 0 }
}

function symbolTable(
  symbols: readonly ElfSymbol[],
  indexOf: ReadonlyMap<string, number>,
  strings: StringTable,
  littleEndian: boolean,
): Uint8Array {
  const view = new DataView(new ArrayBuffer((symbols.length + 1) * 24))
  for (const [i, { name, type, binding, section, value, size }] of symbols.entries()) {
    const at = (i + 1) * 24
    view.setUint32(at, type === 'section' ? 0 : strings.add(name), littleEndian)
    view.setUint8(at + 4, (bindings[binding] << 4) | symbolTypes[type])
    view.setUint16(at + 6, section === undefined ? 0 : indexOf.get(section)!, littleEndian)
    view.setBigUint64(at + 8, BigInt(value), littleEndian)
    view.setBigUint64(at + 16, BigInt(size), littleEndian)
  }
  return new Uint8Array(view.buffer)
}

function relocationTable(
  relocations: readonly ElfRelocation[],
  symbolIndex: ReadonlyMap<string, number>,
  littleEndian: boolean,
): Uint8Array {
  const view = new DataView(new ArrayBuffer(relocations.length * 16))
  for (const [i, { offset, symbol, type }] of relocations.entries()) {
    const index = symbolIndex.get(symbol)
    if (index === undefined) throw new RangeError(`symbol '${symbol}' does not exist`)
    view.setBigUint64(i * 16, BigInt(offset), littleEndian)
    view.setBigUint64(i * 16 + 8, (BigInt(index) << 32n) | BigInt(relocationTypes[type]), littleEndian)
  }
  return new Uint8Array(view.buffer)
}

/** The file header, the sections, and the table of section headers. */
function file(
  headers: readonly Header[],
  strings: StringTable,
  strtab: number,
  littleEndian: boolean,
): Uint8Array {
  const chunks: Uint8Array[] = []
  let at = 64
  const align = (to: number): void => {
    const padding = (to - (at % to)) % to
    chunks.push(new Uint8Array(padding))
    at += padding
  }
  const table = new DataView(new ArrayBuffer(headers.length * 64))
  for (const [
    i,
    { name, type, flags, bytes, size, link, info, align: own, entrySize },
  ] of headers.entries()) {
    if (i > 0) align(own)
    const to = i * 64
    table.setUint32(to, strings.add(name), littleEndian)
    table.setUint32(to + 4, type, littleEndian)
    const words = [flags, 0, i === 0 ? 0 : at, size]
    for (const [j, word] of words.entries()) table.setBigUint64(to + 8 + j * 8, BigInt(word), littleEndian)
    table.setUint32(to + 40, link, littleEndian)
    table.setUint32(to + 44, info, littleEndian)
    table.setBigUint64(to + 48, BigInt(i === 0 ? 0 : own), littleEndian)
    table.setBigUint64(to + 56, BigInt(entrySize), littleEndian)
    chunks.push(bytes)
    at += bytes.length
  }
  align(8)
  const head = new DataView(new ArrayBuffer(64))
  for (const [i, byte] of [0x7f, 0x45, 0x4c, 0x46, 2, littleEndian ? 1 : 2, 1].entries())
    head.setUint8(i, byte)
  head.setUint16(16, 1, littleEndian) // ET_REL
  head.setUint16(18, EM_BPF, littleEndian)
  head.setUint32(20, 1, littleEndian)
  head.setBigUint64(40, BigInt(at), littleEndian)
  head.setUint16(52, 64, littleEndian)
  head.setUint16(58, 64, littleEndian)
  head.setUint16(60, headers.length, littleEndian)
  head.setUint16(62, strtab, littleEndian)
  return concat([new Uint8Array(head.buffer), ...chunks, new Uint8Array(table.buffer)])
}
