// Lines and inlined functions of a program or library, from the debug information that compilers write with -g.
import type { Elf } from '../../machine/elf-file.js'
import { Abbreviations } from './abbreviations.js'
import { type FunctionNode, UnitFunctions } from './functions.js'
import { LineTable } from './lines.js'
import { RangeIndex } from './range-index.js'
import { rangesOf } from './ranges.js'
import { DebugSections } from './sections.js'
import { at, type Entry, type Reference, type Unit, unitsIn } from './unit.js'

/** Names refer to other names, but the chain must not go on forever. */
const mostReferences = 16

/** A function at an address, and the place in the source at which it is. */
export interface Place {
  /** Mangled, where compilers mangle names; `undefined` if it has none. */
  readonly name: string | undefined
  /** '' if it is unknown. */
  readonly file: string
  /** 0 for instructions that belong to no line. */
  readonly line: number
}

/** Reads the file that several debug files share (`.gnu_debugaltlink`). */
export type UseShared = <T>(work: (shared: Dwarf) => T) => T | undefined

interface UnitParts {
  readonly lines: LineTable | undefined
  readonly functions: UnitFunctions | undefined
}

/**
 * The debug information of one file. Units are read when an address in them is asked for. The bytes come from the same
 * source as those of `elf`.
 */
export class Dwarf {
  readonly #sections: DebugSections
  readonly #tables: Abbreviations
  readonly #parts = new Map<Unit, UnitParts>()
  readonly #names = new Map<string, string | undefined>()
  #units: readonly Unit[] | undefined
  #index: RangeIndex<Unit> | undefined

  constructor(elf: Elf) {
    this.#sections = new DebugSections(elf)
    this.#tables = new Abbreviations(this.#sections)
  }

  /**
   * The functions at an address: the innermost first, and last the one that has code of its own. Empty if nothing is
   * known.
   *
   * @param address - as the file was linked
   */
  at(address: number, useShared: UseShared): Place[] {
    const unit = this.#unitAt(address)
    if (unit === undefined) return []
    const { lines, functions } = this.#partsOf(unit, useShared)
    const nodes = functions?.at(address) ?? []
    const here = lines?.find(address)
    let [file, line] = [lines?.pathOf(here?.file ?? 0) ?? '', here?.line ?? 0]
    if (here === undefined) file = ''
    if (nodes.length === 0) return here === undefined ? [] : [{ name: undefined, file, line }]
    return nodes.reverse().map((node) => {
      const place = { name: this.#nameOf(node, useShared), file, line }
      file = lines?.pathOf(node.callFile) ?? ''
      line = node.callLine
      return place
    })
  }

  #unitAt(address: number): Unit | undefined {
    this.#index ??= new RangeIndex(
      this.#allUnits().flatMap((unit) =>
        attempt(() => (unit.hasCode ? rangesOf(unit, unit.root) : []), []).map(
          ([low, high]) => [low, high, unit] as const,
        ),
      ),
    )
    return this.#index.find(address)
  }

  #allUnits(): readonly Unit[] {
    this.#units ??= unitsIn(this.#sections, this.#tables)
    return this.#units
  }

  #partsOf(unit: Unit, useShared: UseShared): UnitParts {
    let parts = this.#parts.get(unit)
    if (parts === undefined) {
      const lines = (): LineTable | undefined => {
        const offset = unit.root.number(at.stmt_list)
        if (offset === undefined) return undefined
        return new LineTable(this.#sections, offset, textOf(unit.root, at.comp_dir, useShared) ?? '')
      }
      parts = {
        lines: attempt(lines, undefined),
        functions: attempt(() => new UnitFunctions(unit), undefined),
      }
      this.#parts.set(unit, parts)
    }
    return parts
  }

  #nameOf({ offset, origin }: FunctionNode, useShared: UseShared): string | undefined {
    const reference = origin ?? { offset, isShared: false }
    const key = `${reference.isShared} ${reference.offset}`
    if (!this.#names.has(key))
      this.#names.set(
        key,
        attempt(() => this.nameAt(reference, useShared), undefined),
      )
    return this.#names.get(key)
  }

  /** The name of an entry: the one for linkers if it has one, because that one is complete. */
  nameAt(reference: Reference, useShared: UseShared): string | undefined {
    let short: string | undefined
    let next: Reference | undefined = reference
    for (let i = 0; next !== undefined && i < mostReferences; i++) {
      const here: Reference = next
      if (here.isShared)
        return useShared((shared) => shared.nameAt({ ...here, isShared: false }, () => undefined)) ?? short
      const entry = this.#unitWith(here.offset).entryAt(here.offset)
      const text = (name: number): string | undefined => textOf(entry, name, useShared)
      const long = text(at.linkage_name) ?? text(at.MIPS_linkage_name)
      if (long !== undefined) return long
      short ??= text(at.name)
      next = entry.reference(at.abstract_origin) ?? entry.reference(at.specification)
    }
    return short
  }

  /** A text that other files refer to. */
  textAt(offset: number): string {
    return this.#sections.get('str').text(offset)
  }

  /** The unit with an entry of .debug_info. */
  #unitWith(offset: number): Unit {
    const units = this.#allUnits()
    let [low, high] = [0, units.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (units[middle]!.offset <= offset) low = middle + 1
      else high = middle
    }
    const unit = units[low - 1]
    if (unit === undefined) throw new RangeError('an entry is in no unit')
    return unit
  }
}

function textOf(entry: Entry, name: number, useShared: UseShared): string | undefined {
  const place = entry.sharedText(name)
  return place === undefined ? entry.text(name) : useShared((shared) => shared.textAt(place))
}

/** Damaged debug information is as good as none. */
function attempt<T, U>(work: () => T, otherwise: U): T | U {
  try {
    return work()
  } catch (error) {
    if (error instanceof RangeError) return otherwise
    throw error
  }
}
