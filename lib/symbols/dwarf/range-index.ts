/** How many ranges are tried, going back from the last one that begins before the address: ranges can be nested. */
const nearby = 64

/** Finds the item for an address, where each item has a range of addresses. */
export class RangeIndex<T> {
  readonly #lows: Float64Array
  readonly #highs: Float64Array
  readonly #items: readonly T[]

  constructor(ranges: readonly (readonly [low: number, high: number, item: T])[]) {
    const sorted = [...ranges].sort((a, b) => a[0] - b[0] || b[1] - a[1])
    this.#lows = Float64Array.from(sorted, ([low]) => low)
    this.#highs = Float64Array.from(sorted, ([, high]) => high)
    this.#items = sorted.map(([, , item]) => item)
  }

  /** Of the ranges that contain the address, the item of the one that begins last. */
  find(address: number): T | undefined {
    const last = lastUpTo(this.#lows, address, 0, this.#lows.length)
    for (let i = last; i >= 0 && i > last - nearby; i--) {
      if (address < this.#highs[i]!) return this.#items[i]
    }
    return undefined
  }
}

/** The index of the last number up to `limit` in a sorted part of an array; `from - 1` if there is none. */
export function lastUpTo(numbers: Float64Array, limit: number, from: number, to: number): number {
  let [low, high] = [from, to]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (numbers[middle]! <= limit) low = middle + 1
    else high = middle
  }
  return low - 1
}
