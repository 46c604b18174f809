// .BTF.ext: what belongs to the instructions of each section: functions, lines of source, and CO-RE relocations.
import { viewOf } from '../btf/bytes.js'
import type { BtfTypes } from '../btf/parse.js'
import type { CoreRelocation, SourceLine } from './instruction.js'
import { concat } from './strings.js'

export interface FunctionInfo {
  /** Bytes from the start of the section. */
  readonly offset: number
  /** The number of the function's FUNC in BTF. */
  readonly typeId: number
}

/** Strings are offsets in BTF's string table. */
export interface LineInfo {
  readonly offset: number
  readonly file: number
  readonly text: number
  readonly line: number
  readonly column: number
}

export interface CoreInfo {
  readonly offset: number
  readonly typeId: number
  readonly access: number
  /** `enum bpf_core_relo_kind`. */
  readonly kind: number
}

export interface SectionInfo {
  /** The section's name, as an offset in BTF's string table. */
  readonly name: number
  readonly functions: readonly FunctionInfo[]
  readonly lines: readonly LineInfo[]
  readonly core: readonly CoreInfo[]
}

const headerSize = 32

export function writeBtfExt(sections: readonly SectionInfo[], littleEndian: boolean): Uint8Array {
  const functions = table(8, sections, ({ functions }) => functions.map((f) => [f.offset, f.typeId]))
  const lines = table(16, sections, ({ lines }) =>
    lines.map(({ offset, file, text, line, column }) => [offset, file, text, (line << 10) | column]),
  )
  const core = table(16, sections, ({ core }) => core.map((c) => [c.offset, c.typeId, c.access, c.kind]))
  const header = new DataView(new ArrayBuffer(headerSize))
  header.setUint16(0, 0xeb9f, littleEndian)
  header.setUint8(2, 1)
  let at = 0
  header.setUint32(4, headerSize, littleEndian)
  for (const [i, { length }] of [functions, lines, core].entries()) {
    header.setUint32(8 + i * 8, at, littleEndian)
    header.setUint32(12 + i * 8, length * 4, littleEndian)
    at += length * 4
  }
  const words = [...functions, ...lines, ...core]
  const view = new DataView(new ArrayBuffer(words.length * 4))
  for (const [i, word] of words.entries()) view.setUint32(i * 4, word >>> 0, littleEndian)
  return concat([new Uint8Array(header.buffer), new Uint8Array(view.buffer)])
}

/** The size of a record, and then, for each section, its name, the number of its records, and the records. */
function table(
  recordSize: number,
  sections: readonly SectionInfo[],
  records: (section: SectionInfo) => readonly (readonly number[])[],
): number[] {
  const words = sections.flatMap((section) => {
    const own = records(section)
    return own.length === 0 ? [] : [section.name, own.length, ...own.flat()]
  })
  return words.length === 0 ? [] : [recordSize, ...words]
}

/**
 * Reads the section .BTF.ext of an object file: which function, line of source and CO-RE relocation belongs to which
 * instruction. (`btf_ext__new`)
 *
 * @param bytes - the section, in the byte order of the BTF
 * @param btf - the BTF of the same object, which has the types and strings
 * @throws RangeError if it is damaged
 *
 * @example
 * const { elf, btf } = readObject(bytes)
 * const sections = readBtfExt(elf.sections.find(({ name }) => name === '.BTF.ext').bytes, btf)
 */
export function readBtfExt(bytes: Uint8Array, btf: BtfTypes): ReadSection[] {
  const view = viewOf(bytes)
  const { littleEndian } = btf
  const text = (offset: number) => btf.text(offset)
  if (view.byteLength < headerSize - 8 || view.getUint16(0, littleEndian) !== 0xeb9f)
    throw new RangeError(
      'the section .BTF.ext does not begin with its magic number: it is damaged, or in another byte order',
    )
  const word = (at: number): number => view.getUint32(at, littleEndian)
  const start = word(4)
  const sections = new Map<string, ReadSection>()
  const read = (field: number, add: (section: ReadSection, at: number) => void): void => {
    if (field + 8 > start) return
    const begin = start + word(field)
    const end = begin + word(field + 4)
    if (begin === end) return
    const recordSize = word(begin)
    for (let at = begin + 4; at < end; ) {
      const name = text(word(at))
      const section = sections.get(name) ?? { name, functions: [], lines: [], core: [] }
      sections.set(name, section)
      const count = word(at + 4)
      at += 8
      for (let i = 0; i < count; i++, at += recordSize) add(section, at)
    }
  }
  read(8, ({ functions }, at) => functions.push({ offset: word(at), typeId: word(at + 4) }))
  read(16, ({ lines }, at) => {
    const place = word(at + 12)
    const [offset, file, line, column] = [word(at), text(word(at + 4)), place >>> 10, place & 1023]
    lines.push({ offset, line: { file, text: text(word(at + 8)), line, column } })
  })
  read(24, ({ core }, at) =>
    core.push({
      offset: word(at),
      core: { type: word(at + 4), access: text(word(at + 8)), kind: word(at + 12) },
    }),
  )
  return [...sections.values()]
}

/** What .BTF.ext says about the instructions of a section. Offsets are in bytes from its start. */
export interface ReadSection {
  readonly name: string
  readonly functions: FunctionInfo[]
  readonly lines: { readonly offset: number; readonly line: SourceLine }[]
  readonly core: { readonly offset: number; readonly core: CoreRelocation }[]
}
