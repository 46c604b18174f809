// The units of .debug_info, one for each source file that was compiled, and the entries in them (DWARF 5, 7.5.1).
import type { Abbreviation, Abbreviations, Table } from './abbreviations.js'
import { Cursor } from './cursor.js'
import { type Format, form, numberIn } from './forms.js'
import type { DebugSections } from './sections.js'

/** `DW_AT_*`. */
export const at = {
  sibling: 0x01,
  name: 0x03,
  stmt_list: 0x10,
  low_pc: 0x11,
  high_pc: 0x12,
  comp_dir: 0x1b,
  abstract_origin: 0x31,
  specification: 0x47,
  ranges: 0x55,
  call_file: 0x58,
  call_line: 0x59,
  linkage_name: 0x6e,
  str_offsets_base: 0x72,
  addr_base: 0x73,
  rnglists_base: 0x74,
  MIPS_linkage_name: 0x2007,
} as const

/** `DW_UT_*`. */
const [UT_type, UT_skeleton, UT_split_compile, UT_split_type] = [2, 4, 5, 6]

interface Value {
  readonly form: number
  readonly number: number | undefined
  readonly text: string | undefined
}

/** A place in .debug_info, of this file or of the one that it shares with others (`.gnu_debugaltlink`). */
export interface Reference {
  readonly offset: number
  readonly isShared: boolean
}

/** An entry: a function, a type, a variable. */
export class Entry {
  readonly tag: number
  readonly #unit: Unit
  readonly #values: ReadonlyMap<number, Value>

  constructor(unit: Unit, tag: number, values: ReadonlyMap<number, Value>) {
    this.#unit = unit
    this.tag = tag
    this.#values = values
  }

  number(name: number): number | undefined {
    return this.#values.get(name)?.number
  }

  /** `undefined` if the value is no address. */
  address(name: number): number | undefined {
    const value = this.#values.get(name)
    if (value?.number === undefined) return undefined
    if (value.form === form.addr) return value.number
    const isIndex = value.form === form.addrx || (value.form >= form.addrx1 && value.form <= form.addrx4)
    return isIndex ? this.#unit.addressWithIndex(value.number) : undefined
  }

  hasForm(name: number, kind: number): boolean {
    return this.#values.get(name)?.form === kind
  }

  /** `undefined` if the text is in a file that others share, too. */
  text(name: number): string | undefined {
    const value = this.#values.get(name)
    if (value === undefined) return undefined
    return value.text ?? this.#unit.textOf(value.form, value.number ?? 0)
  }

  /** Where a text of the shared file begins. */
  sharedText(name: number): number | undefined {
    const value = this.#values.get(name)
    return value?.form === form.GNU_strp_alt || value?.form === form.strp_sup ? value.number : undefined
  }

  reference(name: number): Reference | undefined {
    const value = this.#values.get(name)
    if (value?.number === undefined) return undefined
    switch (value.form) {
      case form.ref1:
      case form.ref2:
      case form.ref4:
      case form.ref8:
      case form.ref_udata:
        return { offset: this.#unit.offset + value.number, isShared: false }
      case form.ref_addr:
        return { offset: value.number, isShared: false }
      case form.GNU_ref_alt:
      case form.ref_sup4:
      case form.ref_sup8:
        return { offset: value.number, isShared: true }
      default:
        return undefined
    }
  }
}

interface Head {
  /** Where the unit begins in .debug_info. */
  readonly offset: number
  /** Where it ends. */
  readonly end: number
  /** Where its first entry begins. */
  readonly first: number
  readonly format: Format
  readonly abbreviations: number
  readonly hasCode: boolean
}

export class Unit implements Head {
  readonly offset: number
  readonly end: number
  readonly first: number
  readonly format: Format
  readonly abbreviations: number
  readonly hasCode: boolean
  readonly sections: DebugSections
  readonly #tables: Abbreviations
  #root: Entry | undefined

  constructor(head: Head, sections: DebugSections, tables: Abbreviations) {
    this.offset = head.offset
    this.end = head.end
    this.first = head.first
    this.format = head.format
    this.abbreviations = head.abbreviations
    this.hasCode = head.hasCode
    this.sections = sections
    this.#tables = tables
  }

  get table(): Table {
    return this.#tables.at(this.abbreviations, this.format)
  }

  /** The entry for the whole unit. */
  get root(): Entry {
    this.#root ??= this.entryAt(this.first)
    return this.#root
  }

  /** @param offset - in .debug_info */
  entryAt(offset: number): Entry {
    if (offset < this.first || offset >= this.end) throw new RangeError('an entry lies outside of its unit')
    const section = this.sections.get('info')
    // Nearly all entries are short. Their length is not recorded.
    for (let length = 256; ; length *= 16) {
      const bytes = section.bytes(offset, Math.min(length, this.end - offset))
      this.sections.spend(bytes.length)
      try {
        const cursor = new Cursor(bytes, this.sections.elf.littleEndian)
        return this.entryIn(cursor, this.#tables.one(this.abbreviations, cursor.uleb(), this.format))
      } catch (error) {
        if (!(error instanceof RangeError) || bytes.length < length) throw error
      }
    }
  }

  /** Reads the attributes of an entry. */
  entryIn(cursor: Cursor, { tag, attributes }: Abbreviation): Entry {
    const values = new Map<number, Value>()
    for (const { name, form: stored, constant } of attributes) {
      let kind = stored
      while (kind === form.indirect) kind = cursor.uleb()
      const text = kind === form.string ? cursor.text() : undefined
      const number = text === undefined ? numberIn(cursor, kind, constant, this.format) : undefined
      values.set(name, { form: kind, number, text })
    }
    return new Entry(this, tag, values)
  }

  addressWithIndex(index: number): number {
    const { addressSize, offsetSize } = this.format
    // The table has a head of 8 bytes, or 16 with long offsets.
    const base = this.root.number(at.addr_base) ?? 2 * offsetSize
    return this.#numberIn('addr', base + index * addressSize, addressSize)
  }

  /** The text of an attribute, if it is in this file. */
  textOf(kind: number, value: number): string | undefined {
    const { offsetSize } = this.format
    switch (kind) {
      case form.strp:
        return this.sections.get('str').text(value)
      case form.line_strp:
        return this.sections.get('line_str').text(value)
      case form.strx:
      case form.strx1:
      case form.strx2:
      case form.strx3:
      case form.strx4: {
        const base = this.root.number(at.str_offsets_base) ?? 2 * offsetSize
        const offset = this.#numberIn('str_offsets', base + value * offsetSize, offsetSize)
        return this.sections.get('str').text(offset)
      }
      default:
        return undefined
    }
  }

  #numberIn(section: string, offset: number, size: number): number {
    const bytes = this.sections.get(section).bytes(offset, size)
    return new Cursor(bytes, this.sections.elf.littleEndian).unsigned(size)
  }
}

/** The heads of all units, in the order of the file. Units behind a damaged one cannot be found. */
export function unitsIn(sections: DebugSections, tables: Abbreviations): Unit[] {
  const section = sections.get('info')
  const units: Unit[] = []
  for (let offset = 0; offset + 12 <= section.size; ) {
    sections.spend(1024)
    const cursor = new Cursor(
      section.bytes(offset, Math.min(40, section.size - offset)),
      sections.elf.littleEndian,
    )
    try {
      const { length, offsetSize } = cursor.length()
      const end = offset + cursor.at + length
      if (length === 0 || end > section.size) return units
      const head = headIn(cursor, offset, end, offsetSize)
      if (head !== undefined) units.push(new Unit(head, sections, tables))
      offset = end
    } catch (error) {
      if (error instanceof RangeError) return units
      throw error
    }
  }
  return units
}

function headIn(cursor: Cursor, offset: number, end: number, offsetSize: 4 | 8): Head | undefined {
  const version = cursor.u16()
  if (version < 2 || version > 5) return undefined
  let type = 0
  let addressSize = 0
  if (version >= 5) {
    type = cursor.u8()
    addressSize = cursor.u8()
  }
  const abbreviations = cursor.unsigned(offsetSize)
  if (version < 5) addressSize = cursor.u8()
  if (addressSize !== 4 && addressSize !== 8) return undefined
  if (type === UT_skeleton || type === UT_split_compile) cursor.skip(8)
  if (type === UT_type || type === UT_split_type) cursor.skip(8 + offsetSize)
  return {
    offset,
    end,
    first: offset + cursor.at,
    format: { version, addressSize, offsetSize },
    abbreviations,
    hasCode: type !== UT_type && type !== UT_split_type,
  }
}
