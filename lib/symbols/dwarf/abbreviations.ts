// What entries of the debug information consist of. Many entries have the same kind of attributes, so these are listed
// once, in .debug_abbrev (DWARF 5, 7.5.3).
import { Cursor } from './cursor.js'
import { type Format, form, sizeOfForm } from './forms.js'
import type { DebugSections } from './sections.js'

export interface Attribute {
  /** `DW_AT_*`. */
  readonly name: number
  /** `DW_FORM_*`. */
  readonly form: number
  /** The value, if it is the same in all entries. */
  readonly constant: number
}

export interface Abbreviation {
  /** `DW_TAG_*`. */
  readonly tag: number
  readonly hasChildren: boolean
  readonly attributes: readonly Attribute[]
  /** The bytes of all attributes, or -1 if it depends on the entry. */
  readonly size: number
}

/** The abbreviations of a unit, by their numbers. */
export type Table = readonly (Abbreviation | undefined)[]

/** Compilers count from 1, and no unit has more. */
const [mostCodes, mostAttributes] = [1_000_000, 1_000_000]

export class Abbreviations {
  readonly #sections: DebugSections
  /** The last one that was read: all units may use the same. */
  #last: { readonly key: string; readonly table: Table } | undefined

  constructor(sections: DebugSections) {
    this.#sections = sections
  }

  /** The table at an offset, by the numbers that entries refer to. */
  at(offset: number, format: Format): Table {
    const key = `${offset} ${format.version} ${format.addressSize} ${format.offsetSize}`
    if (this.#last?.key !== key) this.#last = { key, table: this.#read(offset, format, undefined) }
    return this.#last.table
  }

  /** One of them, without those that follow in the table. */
  one(offset: number, code: number, format: Format): Abbreviation {
    const found = this.#read(offset, format, code)[code]
    if (found === undefined) throw new RangeError(`an entry has the unknown abbreviation ${code}`)
    return found
  }

  #read(offset: number, format: Format, wanted: number | undefined): Table {
    const { elf } = this.#sections
    const section = this.#sections.get('abbrev')
    // The length of the table is not recorded.
    for (let length = wanted === undefined ? 16_384 : 256; ; length *= 4) {
      const bytes = section.bytes(offset, Math.min(length, Math.max(section.size - offset, 0)))
      this.#sections.spend(bytes.length)
      try {
        return tableIn(new Cursor(bytes, elf.littleEndian), format, wanted)
      } catch (error) {
        if (!(error instanceof RangeError) || bytes.length < length) throw error
      }
    }
  }
}

function tableIn(cursor: Cursor, format: Format, wanted: number | undefined): Table {
  const table: (Abbreviation | undefined)[] = []
  let count = 0
  for (;;) {
    const code = cursor.uleb()
    if (code === 0) return table
    if (code > mostCodes) throw new RangeError(`an abbreviation has the number ${code}`)
    const tag = cursor.uleb()
    const hasChildren = cursor.u8() !== 0
    const attributes: Attribute[] = []
    let size = 0
    for (;;) {
      const [name, kind] = [cursor.uleb(), cursor.uleb()]
      const constant = kind === form.implicit_const ? cursor.sleb() : 0
      if (name === 0 && kind === 0) break
      if (++count > mostAttributes) throw new RangeError('a unit has too many abbreviations')
      attributes.push({ name, form: kind, constant })
      const own = sizeOfForm(kind, format)
      size = size < 0 || own === undefined ? -1 : size + own
    }
    const abbreviation = { tag, hasChildren, attributes, size }
    if (wanted === undefined) table[code] = abbreviation
    else if (code === wanted) {
      table[code] = abbreviation
      return table
    }
  }
}
