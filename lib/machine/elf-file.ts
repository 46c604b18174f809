// Reads ELF files, of any machine, piece by piece: programs are large, and each reader is interested in only a few of
// their sections. The files may be damaged, or made by an attacker to disturb whoever reads them.
import { fstatSync, readSync } from 'node:fs'
import { viewOf } from '../btf/bytes.js'

/** Bytes of a file or of memory. */
export interface ByteSource {
  /** @returns fewer bytes at the end */
  read(offset: number, length: number): Uint8Array
}

/** The bytes of an open file. */
export function fileSource(fd: number): ByteSource {
  const { size } = fstatSync(fd)
  return {
    read(offset, length) {
      const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)))
      let done = 0
      while (done < bytes.length) {
        const count = readSync(fd, bytes, done, bytes.length - done, offset + done)
        if (count === 0) break
        done += count
      }
      return bytes.subarray(0, done)
    },
  }
}

/** Bytes that are in memory already. */
export const memorySource = (bytes: Uint8Array): ByteSource => ({
  read: (offset, length) => bytes.subarray(offset, offset + length),
})

export interface Section {
  readonly name: string
  /** `SHT_*` of elf.h. */
  readonly type: number
  /** `SHF_*` of elf.h. */
  readonly flags: number
  readonly address: number
  readonly offset: number
  readonly size: number
  /** Bytes; a power of two. */
  readonly align: number
  readonly link: number
  readonly info: number
}

/** A part of the file that is mapped into memory. */
export interface Segment {
  readonly offset: number
  readonly address: number
  /** Bytes in the file. */
  readonly size: number
  readonly executable: boolean
}

export const SHT_NULL = 0
export const SHT_SYMTAB = 2
export const SHT_RELA = 4
export const SHT_NOTE = 7
export const SHT_NOBITS = 8
export const SHT_REL = 9
export const SHT_DYNSYM = 11
export const SHF_EXECINSTR = 4
const PT_LOAD = 1
const PT_NOTE = 4
/** No real symbol or string table is larger. A damaged size must not fill the memory. */
const mostBytes = 1 << 29

/**
 * C++ names can be a few kilobytes long. A malicious file could have no zeros, so that each name is as long as the
 * file.
 */
const longestText = 65_536

/** A file for another machine is read, too: 32 or 64 bits, in either byte order. */
export class Elf {
  readonly #source: ByteSource
  readonly is64: boolean
  readonly littleEndian: boolean
  /** `EM_*` of elf.h. */
  readonly machine: number
  /** As many as the file has. */
  readonly sections: readonly Section[]
  /** Whether the file ends before its table of sections does. */
  readonly isCut: boolean
  readonly segments: readonly Segment[]
  readonly buildId: string | undefined

  /** @throws RangeError that says what is wrong with the file */
  constructor(source: ByteSource) {
    this.#source = source
    const head = source.read(0, 64)
    if (head.length < 52 || head[0] !== 0x7f || head[1] !== 0x45 || head[2] !== 0x4c || head[3] !== 0x46)
      throw new RangeError('this is not an ELF file')
    this.is64 = head[4] === 2
    this.littleEndian = head[5] === 1
    const view = viewOf(head)
    this.machine = view.getUint16(18, this.littleEndian)
    const half = (at: number): number => view.getUint16(at, this.littleEndian)
    const [segmentsAt, sectionsAt, counts] = this.is64
      ? [this.word(view, 32), this.word(view, 40), 52]
      : [this.word(view, 28), this.word(view, 32), 40]
    const notes: [number, number][] = []
    this.segments = this.#segments(segmentsAt, half(counts + 4), notes)
    const count = sectionsAt === 0 ? 0 : half(counts + 8)
    this.sections = this.#sections(sectionsAt, count, half(counts + 10))
    this.isCut = this.sections.length < count
    for (const { type, offset, size } of this.sections) if (type === SHT_NOTE) notes.push([offset, size])
    this.buildId = this.#findBuildId(notes)
  }

  /** A number with the size of an address. */
  word(view: DataView, at: number): number {
    if (!this.is64) return view.getUint32(at, this.littleEndian)
    const [low, high] = this.littleEndian ? [at, at + 4] : [at + 4, at]
    return view.getUint32(low, this.littleEndian) + view.getUint32(high, this.littleEndian) * 2 ** 32
  }

  section(name: string): Section | undefined {
    return this.sections.find((section) => section.name === name)
  }

  /** The bytes of a section, as far as the file contains them. */
  bytesOf({ type, offset, size }: Section): Uint8Array {
    return type === SHT_NOBITS ? new Uint8Array(0) : this.read(offset, size)
  }

  read(offset: number, length: number): Uint8Array {
    if (length > mostBytes) throw new RangeError(`a part of the ELF file has ${length} bytes`)
    return this.#source.read(offset, length)
  }

  /** The address for which the file was linked, of a place in the file. */
  addressAt(offset: number): number | undefined {
    const segment = this.segments.find((one) => offset >= one.offset && offset < one.offset + one.size)
    return segment && offset - segment.offset + segment.address
  }

  #segments(at: number, count: number, notes: [number, number][]): Segment[] {
    const step = this.is64 ? 56 : 32
    const view = viewOf(this.read(at, count * step))
    const found: Segment[] = []
    for (let here = 0; here + step <= view.byteLength; here += step) {
      const type = view.getUint32(here, this.littleEndian)
      const [flagsAt, offsetAt, addressAt, sizeAt] = this.is64 ? [4, 8, 16, 32] : [24, 4, 8, 16]
      const offset = this.word(view, here + offsetAt!)
      const size = this.word(view, here + sizeAt!)
      if (type === PT_NOTE) notes.push([offset, size])
      if (type !== PT_LOAD) continue
      const address = this.word(view, here + addressAt!)
      const executable = (view.getUint32(here + flagsAt!, this.littleEndian) & 1) !== 0
      found.push({ offset, address, size, executable })
    }
    return found
  }

  #sections(at: number, count: number, names: number): Section[] {
    const step = this.is64 ? 64 : 40
    const view = viewOf(this.read(at, count * step))
    const fields = this.is64 ? [8, 16, 24, 32, 48, 40, 44] : [8, 12, 16, 20, 32, 24, 28]
    const found: (Section & { nameAt: number })[] = []
    for (let here = 0; here + step <= view.byteLength; here += step) {
      const [flags, address, offset, size, align] = fields
        .slice(0, 5)
        .map((field) => this.word(view, here + field))
      found.push({
        nameAt: view.getUint32(here, this.littleEndian),
        name: '',
        type: view.getUint32(here + 4, this.littleEndian),
        flags: flags!,
        address: address!,
        offset: offset!,
        size: size!,
        align: align!,
        link: view.getUint32(here + fields[5]!, this.littleEndian),
        info: view.getUint32(here + fields[6]!, this.littleEndian),
      })
    }
    const table = found[names]
    const strings = table === undefined ? new Uint8Array(0) : this.bytesOf(table)
    return found.map(({ nameAt, ...section }) => ({ ...section, name: stringAt(strings, nameAt) }))
  }

  #findBuildId(notes: readonly [number, number][]): string | undefined {
    for (const [offset, size] of notes) {
      if (size > 65536) continue
      const bytes = this.read(offset, size)
      const view = viewOf(bytes)
      for (let at = 0; at + 12 <= bytes.length; ) {
        const [nameSize, descSize, type] = [0, 4, 8].map((field) =>
          view.getUint32(at + field, this.littleEndian),
        )
        const desc = at + 12 + ((nameSize! + 3) & ~3)
        if (type === 3 && stringAt(bytes, at + 12) === 'GNU' && descSize! > 0)
          return Buffer.from(bytes.subarray(desc, desc + descSize!)).toString('hex')
        at = desc + ((descSize! + 3) & ~3)
        if (nameSize! > size || descSize! > size) break
      }
    }
    return undefined
  }
}

/** The text before the next zero byte, or the beginning of a text that is too long; '' outside of the table. */
export function stringAt(table: Uint8Array, at: number): string {
  const rest = table.subarray(at, at + longestText)
  const end = rest.indexOf(0)
  const bytes = end < 0 ? rest : rest.subarray(0, end)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
