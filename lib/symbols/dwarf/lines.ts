// Which line each instruction comes from: .debug_line contains programs that write a table row by row (DWARF 5, 6.2).
import { Cursor } from './cursor.js'
import { type Format, form, numberIn, skipForm } from './forms.js'
import { lastUpTo, RangeIndex } from './range-index.js'
import type { DebugSections } from './sections.js'

/** No program is built from more files. */
const mostFiles = 1_000_000
/** `DW_LNCT_*`: what the entry of a file says. */
const [LNCT_path, LNCT_directory_index] = [1, 2]

export interface Line {
  /** The number of the file in this table. */
  readonly file: number
  /** 0 for instructions that belong to no line. */
  readonly line: number
}

interface File {
  readonly name: string
  readonly directory: number
}

interface Head {
  readonly version: number
  readonly step: number
  readonly lineBase: number
  readonly lineRange: number
  /** How many arguments each standard opcode has. */
  readonly lengths: readonly number[]
  readonly directories: readonly string[]
  readonly files: readonly File[]
}

/** The lines of one unit. */
export class LineTable {
  readonly #head: Head
  readonly #folder: string
  readonly #paths = new Map<number, string>()
  readonly #addresses: Float64Array
  readonly #lines: Uint32Array
  readonly #files: Uint32Array
  /** The rows of functions that follow each other. Between two sequences, there may be something else. */
  readonly #sequences: RangeIndex<readonly [from: number, to: number]>

  /**
   * @param offset - where it begins in .debug_line
   * @param folder - the folder in which the compiler ran
   * @throws RangeError if it is damaged
   */
  constructor(sections: DebugSections, offset: number, folder: string) {
    const section = sections.get('line')
    const start = new Cursor(
      section.bytes(offset, Math.min(12, Math.max(section.size - offset, 0))),
      sections.elf.littleEndian,
    )
    const { length, offsetSize } = start.length()
    sections.spend(length)
    const cursor = new Cursor(section.bytes(offset + start.at, length), sections.elf.littleEndian)
    this.#folder = folder
    this.#head = readHead(cursor, offsetSize, sections)
    const rows = readRows(cursor, this.#head, sections)
    this.#addresses = Float64Array.from(rows.addresses)
    this.#lines = Uint32Array.from(rows.lines)
    this.#files = Uint32Array.from(rows.files)
    this.#sequences = new RangeIndex(rows.sequences)
  }

  find(address: number): Line | undefined {
    const sequence = this.#sequences.find(address)
    if (sequence === undefined) return undefined
    const [from, to] = sequence
    const row = lastUpTo(this.#addresses, address, from, to)
    return row < from ? undefined : { file: this.#files[row]!, line: this.#lines[row]! }
  }

  /** The path of a file, as the compiler was given it; '' if there is no such file. */
  pathOf(number: number): string {
    let path = this.#paths.get(number)
    if (path === undefined) {
      path = this.#joined(number)
      this.#paths.set(number, path)
    }
    return path
  }

  #joined(number: number): string {
    const { version, directories, files } = this.#head
    // Since version 5, files and folders count from 0, and the first folder is that of the compiler.
    const file = files[version >= 5 ? number : number - 1]
    if (file === undefined) return ''
    const folder = version >= 5 ? directories[file.directory] : directories[file.directory - 1]
    const base = version >= 5 ? join(this.#folder, directories[0] ?? '') : this.#folder
    return join(join(base, folder ?? ''), file.name)
  }
}

function join(folder: string, path: string): string {
  if (path === '' || folder === '') return path === '' ? folder : path
  return path.startsWith('/') ? path : `${folder.replace(/\/$/, '')}/${path}`
}

function readHead(cursor: Cursor, offsetSize: 4 | 8, sections: DebugSections): Head {
  const version = cursor.u16()
  if (version < 2 || version > 5) throw new RangeError(`lines have the version ${version}`)
  const addressSize = version >= 5 ? cursor.u8() : 8
  if (version >= 5) cursor.skip(1)
  const headLength = cursor.unsigned(offsetSize)
  const program = cursor.at + headLength
  const step = cursor.u8()
  // The number of operations in an instruction, and whether statements begin by default: neither matters here.
  cursor.skip(version >= 4 ? 2 : 1)
  const [lineBase, lineRange, opcodeBase] = [cursor.i8(), cursor.u8(), cursor.u8()]
  if (lineRange === 0) throw new RangeError('lines have no range')
  const lengths = Array.from({ length: Math.max(opcodeBase - 1, 0) }, () => cursor.u8())
  const names =
    version >= 5 ? readNames(cursor, { version, addressSize, offsetSize }, sections) : readOldNames(cursor)
  cursor.at = 0
  cursor.skip(program)
  return { version, step, lineBase, lineRange, lengths, ...names }
}

/** Texts end with a zero, and lists with an empty text. */
function readOldNames(cursor: Cursor): Pick<Head, 'directories' | 'files'> {
  const directories: string[] = []
  for (let text = cursor.text(); text !== ''; text = cursor.text()) directories.push(text)
  const files: File[] = []
  for (let name = cursor.text(); name !== ''; name = cursor.text()) {
    files.push({ name, directory: cursor.uleb() })
    cursor.skipLeb()
    cursor.skipLeb()
  }
  return { directories, files }
}

function readNames(
  cursor: Cursor,
  format: Format,
  sections: DebugSections,
): Pick<Head, 'directories' | 'files'> {
  const list = (): File[] => {
    const fields = Array.from({ length: cursor.u8() }, () => [cursor.uleb(), cursor.uleb()] as const)
    const count = cursor.uleb()
    if (count > mostFiles) throw new RangeError(`lines come from ${count} files`)
    sections.spend(256 * count)
    return Array.from({ length: count }, () => {
      let [name, directory] = ['', 0]
      for (const [content, kind] of fields) {
        if (content === LNCT_path) name = textIn(cursor, kind, format, sections)
        else if (content === LNCT_directory_index) directory = numberIn(cursor, kind, 0, format) ?? 0
        else skipForm(cursor, kind, format)
      }
      return { name, directory }
    })
  }
  return { directories: list().map(({ name }) => name), files: list() }
}

function textIn(cursor: Cursor, kind: number, format: Format, sections: DebugSections): string {
  if (kind === form.string) return cursor.text()
  const at = numberIn(cursor, kind, 0, format) ?? 0
  if (kind === form.line_strp) return sections.get('line_str').text(at)
  return kind === form.strp ? sections.get('str').text(at) : ''
}

interface Rows {
  addresses: number[]
  lines: number[]
  files: number[]
  sequences: (readonly [number, number, readonly [number, number]])[]
}

/** Standard opcodes, then extended ones. */
const op = {
  extended: 0,
  copy: 1,
  advance_pc: 2,
  advance_line: 3,
  set_file: 4,
  const_add_pc: 8,
  fixed_advance_pc: 9,
}
const [end_sequence, set_address] = [1, 2]

function readRows(cursor: Cursor, head: Head, sections: DebugSections): Rows {
  const rows: Rows = { addresses: [], lines: [], files: [], sequences: [] }
  const { step, lineBase, lineRange, lengths } = head
  const firstSpecial = lengths.length + 1
  let [address, file, line] = [0, 1, 1]
  let from = 0
  const addRow = (): void => {
    sections.spend(64)
    const count = rows.addresses.length
    // Of rows for the same address, the last one counts.
    const i = count > from && rows.addresses[count - 1] === address ? count - 1 : count
    rows.addresses[i] = address
    rows.lines[i] = line
    rows.files[i] = file
  }
  const endSequence = (): void => {
    const low = rows.addresses[from]
    const to = rows.addresses.length
    const isOrdered = isSorted(rows.addresses, from)
    // What the linker left out is at address 0.
    if (low !== undefined && low > 0 && isOrdered) rows.sequences.push([low, address, [from, to]])
    else for (const list of [rows.addresses, rows.lines, rows.files]) list.length = from
    from = rows.addresses.length
    address = 0
    file = 1
    line = 1
  }
  while (!cursor.isAtEnd) {
    const code = cursor.u8()
    if (code >= firstSpecial) {
      const adjusted = code - firstSpecial
      address += Math.floor(adjusted / lineRange) * step
      line += lineBase + (adjusted % lineRange)
      addRow()
      continue
    }
    switch (code) {
      case op.extended: {
        const size = cursor.uleb()
        const next = cursor.at + size
        const extended = size === 0 ? 0 : cursor.u8()
        if (extended === end_sequence) endSequence()
        else if (extended === set_address) address = cursor.unsigned(size - 1)
        if (next < cursor.at) throw new RangeError('an instruction of the lines is too short')
        cursor.skip(next - cursor.at)
        break
      }
      case op.copy:
        addRow()
        break
      case op.advance_pc:
        address += cursor.uleb() * step
        break
      case op.advance_line:
        line += cursor.sleb()
        break
      case op.set_file:
        file = cursor.uleb()
        break
      case op.const_add_pc:
        address += Math.floor((255 - firstSpecial) / lineRange) * step
        break
      case op.fixed_advance_pc:
        address += cursor.u16()
        break
      default:
        for (let i = lengths[code - 1]!; i > 0; i--) cursor.skipLeb()
    }
  }
  return rows
}

function isSorted(numbers: readonly number[], from: number): boolean {
  for (let i = from + 1; i < numbers.length; i++) if (numbers[i]! < numbers[i - 1]!) return false
  return true
}
