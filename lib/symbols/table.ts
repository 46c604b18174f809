import { stringAt } from '../machine/elf-file.js'

/** A function, or a part of one, in the memory of a file or of a machine. */
export interface Found {
  readonly name: string
  /** Where it begins. */
  readonly start: number
}

/** A symbol before it is in a table. */
export interface RawSymbol {
  readonly start: number
  /** Bytes; 0 if unknown. */
  readonly size: number
  /** Of symbols with the same address, the better one has a higher rank. */
  readonly rank: number
  /** The name, or a table of strings, from which the name is read when somebody asks for it. */
  readonly text: string | Uint8Array
  /** Where the name begins in the table of strings. */
  readonly at: number
}

const nameOf = ({ text, at }: RawSymbol): string => (typeof text === 'string' ? text : stringAt(text, at))

/** How many symbols before an address, or at the same one, are tried: a symbol can lie within a larger one. */
const nearby = 64

/** Symbols sorted by address. */
export class SymbolTable {
  readonly #starts: Float64Array
  readonly #ends: Float64Array
  readonly #symbols: readonly RawSymbol[]

  /**
   * @param extend - a symbol without a size reaches to the next one; otherwise only its first byte belongs to it.
   * Extending is right only if the symbols are complete.
   * @param end - no symbol reaches beyond
   */
  constructor(
    symbols: readonly RawSymbol[],
    { extend, end = Number.POSITIVE_INFINITY }: { extend: boolean; end?: number },
  ) {
    const sorted = best([...symbols].sort((a, b) => a.start - b.start))
    this.#symbols = sorted
    this.#starts = Float64Array.from(sorted, ({ start }) => start)
    this.#ends = Float64Array.from(sorted, ({ start, size }, i) => {
      if (size > 0) return start + size
      return extend ? Math.min(sorted[i + 1]?.start ?? start + 4096, end) : start + 1
    })
  }

  get size(): number {
    return this.#symbols.length
  }

  find(address: number): Found | undefined {
    const starts = this.#starts
    let [low, high] = [0, starts.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (starts[middle]! <= address) low = middle + 1
      else high = middle
    }
    // A label without a size is often a place within a function, which has one.
    let label: RawSymbol | undefined
    for (let i = low - 1; i >= 0 && i >= low - nearby; i--) {
      if (address >= this.#ends[i]!) continue
      const symbol = this.#symbols[i]!
      if (symbol.size > 0) return found(symbol)
      label ??= symbol
    }
    return label && found(label)
  }
}

const found = (symbol: RawSymbol): Found => ({ name: nameOf(symbol), start: symbol.start })

/** Of symbols with the same address, the best one, chosen as perf does. */
function best(sorted: readonly RawSymbol[]): RawSymbol[] {
  const chosen: RawSymbol[] = []
  let same = 0
  for (const symbol of sorted) {
    const last = chosen.at(-1)
    if (last === undefined || last.start !== symbol.start) {
      chosen.push(symbol)
      same = 0
    } else if (same++ < nearby && isBetter(symbol, last)) chosen[chosen.length - 1] = symbol
  }
  return chosen
}

function isBetter(one: RawSymbol, other: RawSymbol): boolean {
  if (one.size > 0 !== other.size > 0) return one.size > 0
  if (one.rank !== other.rank) return one.rank > other.rank
  const [a, b] = [nameOf(one), nameOf(other)]
  const underscores = (name: string): number => /^_*/.exec(name)![0].length
  if (underscores(a) !== underscores(b)) return underscores(a) < underscores(b)
  return a.length > b.length
}
