// The functions of a unit, and those that the compiler inlined into them.
import type { Abbreviation } from './abbreviations.js'
import { Cursor } from './cursor.js'
import { skipForm } from './forms.js'
import { RangeIndex } from './range-index.js'
import { type Range, rangesOf } from './ranges.js'
import { at, type Reference, type Unit } from './unit.js'

/** `DW_TAG_*`. */
const tag = {
  array_type: 0x01,
  enumeration_type: 0x04,
  subroutine_type: 0x15,
  inlined: 0x1d,
  subprogram: 0x2e,
}
/** Functions that are inlined into each other are never nested more deeply than this. */
const deepest = 256

/** A function, or a copy of one in another function. */
export class FunctionNode {
  /** Where its entry is. */
  readonly offset: number
  /** The entry with its name, for a copy. */
  readonly origin: Reference | undefined
  /** Where it was called, for a copy. */
  readonly callFile: number
  readonly callLine: number
  #inlined: (readonly [number, number, FunctionNode])[] = []
  #index: RangeIndex<FunctionNode> | undefined

  constructor(offset: number, origin: Reference | undefined, callFile: number, callLine: number) {
    this.offset = offset
    this.origin = origin
    this.callFile = callFile
    this.callLine = callLine
  }

  add(ranges: readonly Range[], node: FunctionNode): void {
    for (const [low, high] of ranges) this.#inlined.push([low, high, node])
  }

  inlinedAt(address: number): FunctionNode | undefined {
    if (this.#index === undefined) {
      if (this.#inlined.length === 0) return undefined
      this.#index = new RangeIndex(this.#inlined)
      this.#inlined = []
    }
    return this.#index.find(address)
  }
}

export class UnitFunctions {
  readonly #index: RangeIndex<FunctionNode>

  constructor(unit: Unit) {
    this.#index = readFunctions(unit)
  }

  /** The function at an address, then the one that was inlined into it there, and so on; empty if there is none. */
  at(address: number): FunctionNode[] {
    const found: FunctionNode[] = []
    let node = this.#index.find(address)
    while (node !== undefined && found.length < deepest) {
      found.push(node)
      node = node.inlinedAt(address)
    }
    return found
  }
}

/** Goes through all entries of a unit. They form a tree: an entry with the number 0 ends a list of siblings. */
function readFunctions(unit: Unit): RangeIndex<FunctionNode> {
  const { sections, table } = unit
  sections.spend(unit.end - unit.offset)
  const bytes = sections.get('info').bytes(unit.first, unit.end - unit.first)
  const cursor = new Cursor(bytes, sections.elf.littleEndian)
  const found: (readonly [number, number, FunctionNode])[] = []
  /** For each level, the function in which its entries are. */
  const levels: (FunctionNode | undefined)[] = []
  while (!cursor.isAtEnd) {
    const start = cursor.at
    const code = cursor.uleb()
    if (code === 0) {
      levels.pop()
      if (levels.length === 0) break
      continue
    }
    const abbreviation = table[code]
    if (abbreviation === undefined) throw new RangeError(`an entry has the unknown abbreviation ${code}`)
    let scope = levels.at(-1)
    let isEmpty = false
    if (abbreviation.tag === tag.subprogram || abbreviation.tag === tag.inlined) {
      const entry = unit.entryIn(cursor, abbreviation)
      const ranges = rangesOf(unit, entry)
      const isInlined = abbreviation.tag === tag.inlined
      if (ranges.length > 0) {
        sections.spend(1024)
        const node = new FunctionNode(
          unit.first + start,
          isInlined ? entry.reference(at.abstract_origin) : undefined,
          entry.number(at.call_file) ?? 0,
          entry.number(at.call_line) ?? 0,
        )
        if (!isInlined) for (const [low, high] of ranges) found.push([low, high, node])
        else scope?.add(ranges, node)
        scope = node
      } else isEmpty = true
      // A declaration, or the description of a function for its copies, contains no code.
      const sibling = isEmpty ? entry.reference(at.sibling) : undefined
      if (sibling !== undefined && abbreviation.hasChildren) {
        skipTo(cursor, sibling.offset - unit.first)
        continue
      }
    } else if (abbreviation.hasChildren && isType(abbreviation)) {
      const sibling = unit.entryIn(cursor, abbreviation).reference(at.sibling)
      if (sibling !== undefined) {
        skipTo(cursor, sibling.offset - unit.first)
        continue
      }
    } else skipEntry(cursor, abbreviation, unit)
    if (abbreviation.hasChildren) levels.push(scope)
    else if (levels.length === 0) break
  }
  return new RangeIndex(found)
}

/** Types that cannot contain functions. */
const isType = (abbreviation: Abbreviation): boolean =>
  abbreviation.tag === tag.enumeration_type ||
  abbreviation.tag === tag.subroutine_type ||
  abbreviation.tag === tag.array_type

function skipTo(cursor: Cursor, target: number): void {
  // Going backward could go on forever.
  if (target < cursor.at) throw new RangeError('the sibling of an entry comes before it')
  cursor.skip(target - cursor.at)
}

function skipEntry(cursor: Cursor, { size, attributes }: Abbreviation, { format }: Unit): void {
  if (size >= 0) cursor.skip(size)
  else for (const { form: kind } of attributes) skipForm(cursor, kind, format)
}
