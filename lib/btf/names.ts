/** The place of a name, which ends at a NUL. */
export interface NameBytes {
  readonly bytes: Uint8Array
  readonly start: number
}

/**
 * Finds entries by name with a hash table over the bytes, so that no strings are made. For the 150,000 types of a
 * kernel, it takes 2 MB and a few milliseconds.
 */
export class NameIndex {
  readonly #heads: Uint32Array
  readonly #next: Uint32Array
  readonly #mask: number
  readonly #nameOf: (index: number) => NameBytes | undefined

  /** @param nameOf - returns the name of the entries 0 to `count - 1`; undefined if the entry has none */
  constructor(count: number, nameOf: (index: number) => NameBytes | undefined) {
    const buckets = 2 ** Math.ceil(Math.log2(Math.max(count, 2)))
    this.#mask = buckets - 1
    this.#nameOf = nameOf
    // Entries are stored as index + 1, and 0 ends a chain. Going backwards makes each chain start with the lowest
    // index.
    this.#heads = new Uint32Array(buckets)
    this.#next = new Uint32Array(count)
    for (let i = count - 1; i >= 0; i--) {
      const name = nameOf(i)
      if (name === undefined) continue
      const bucket = hash(name.bytes, name.start) & this.#mask
      this.#next[i] = this.#heads[bucket]!
      this.#heads[bucket] = i + 1
    }
  }

  /** Iterates over the entries with this name, lowest first. */
  *find(name: string): Generator<number> {
    const wanted = new TextEncoder().encode(`${name}\0`)
    const bucket = hash(wanted, 0) & this.#mask
    for (let i = this.#heads[bucket]!; i !== 0; i = this.#next[i - 1]!) {
      const { bytes, start } = this.#nameOf(i - 1)!
      if (wanted.every((c, k) => bytes[start + k] === c)) yield i - 1
    }
  }
}

/** FNV-1a up to the NUL. */
function hash(bytes: Uint8Array, start: number): number {
  let h = 0x811c9dc5
  for (let i = start, c = bytes[i]; c; c = bytes[++i]) h = Math.imul(h ^ c, 0x01000193)
  return h ^ (h >>> 15)
}
