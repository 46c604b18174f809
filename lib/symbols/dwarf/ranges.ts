// The addresses of a unit or a function (DWARF 5, 2.17.3; DWARF 4, 2.17.3).
import { Cursor } from './cursor.js'
import { form } from './forms.js'
import { at, type Entry, type Unit } from './unit.js'

export type Range = readonly [low: number, high: number]

/** The ranges of an entry; none if it has no code. */
export function rangesOf(unit: Unit, entry: Entry): Range[] {
  const list = entry.number(at.ranges)
  if (list !== undefined) {
    const found = unit.format.version >= 5 ? readList(unit, entry, list) : readOldList(unit, list)
    return found.filter(isCode)
  }
  const low = entry.address(at.low_pc)
  if (low === undefined) return []
  const high = entry.address(at.high_pc) ?? low + (entry.number(at.high_pc) ?? 0)
  return isCode([low, high]) ? [[low, high]] : []
}

/** A function that the linker left out is at address 0, or in old lists at 1. */
const isCode = ([low, high]: Range): boolean => low > 1 && high > low

const baseOf = (unit: Unit): number => unit.root.address(at.low_pc) ?? 0

/** .debug_ranges: pairs of numbers, which are relative to a base. */
function readOldList(unit: Unit, offset: number): Range[] {
  const { addressSize } = unit.format
  const largest = addressSize === 8 ? 2 ** 64 : 2 ** 32 - 1
  const found: Range[] = []
  let base = baseOf(unit)
  for (const cursor of cursorsFrom(unit, 'ranges', offset)) {
    const [low, high] = [cursor.unsigned(addressSize), cursor.unsigned(addressSize)]
    if (low === 0 && high === 0) return found
    // 2^64 - 1 is read as 2^64.
    if (low >= largest) base = high
    else found.push([base + low, base + high])
  }
  return found
}

/** .debug_rnglists: entries of several kinds. */
function readList(unit: Unit, entry: Entry, list: number): Range[] {
  const { addressSize, offsetSize } = unit.format
  let offset = list
  if (entry.hasForm(at.ranges, form.rnglistx)) {
    // The table of offsets comes after a head of 12 bytes, or 20 with long offsets.
    const table = unit.root.number(at.rnglists_base) ?? (offsetSize === 4 ? 12 : 20)
    const bytes = unit.sections.get('rnglists').bytes(table + list * offsetSize, offsetSize)
    offset = table + new Cursor(bytes, unit.sections.elf.littleEndian).unsigned(offsetSize)
  }
  const found: Range[] = []
  let base = baseOf(unit)
  for (const cursor of cursorsFrom(unit, 'rnglists', offset)) {
    const kind = cursor.u8()
    switch (kind) {
      case 0:
        return found
      case 1:
        base = unit.addressWithIndex(cursor.uleb())
        break
      case 2:
        found.push([unit.addressWithIndex(cursor.uleb()), unit.addressWithIndex(cursor.uleb())])
        break
      case 3: {
        const low = unit.addressWithIndex(cursor.uleb())
        found.push([low, low + cursor.uleb()])
        break
      }
      case 4:
        found.push([base + cursor.uleb(), base + cursor.uleb()])
        break
      case 5:
        base = cursor.unsigned(addressSize)
        break
      case 6:
        found.push([cursor.unsigned(addressSize), cursor.unsigned(addressSize)])
        break
      case 7: {
        const low = cursor.unsigned(addressSize)
        found.push([low, low + cursor.uleb()])
        break
      }
      default:
        throw new RangeError(`a range has the kind ${kind}, which does not exist`)
    }
  }
  return found
}

/** A cursor for each entry of a list, which goes on until the reader of the entries finds its end. */
function* cursorsFrom(unit: Unit, name: string, offset: number): Generator<Cursor, void> {
  const section = unit.sections.get(name)
  // No entry is longer.
  const longest = 32
  let cursor = new Cursor(new Uint8Array(0), true)
  for (let at = offset; ; ) {
    unit.sections.spend(256)
    if (cursor.at + longest > cursor.bytes.length) {
      at += cursor.at
      const bytes = section.bytes(at, Math.min(1024, Math.max(section.size - at, 0)))
      cursor = new Cursor(bytes, unit.sections.elf.littleEndian)
      if (bytes.length === 0) throw new RangeError('a list of ranges has no end')
    }
    yield cursor
  }
}
