/** Random values that are the same in each run. */
export interface Random {
  /** An integer from 0 to n - 1. */
  below(n: number): number
  oneOf<T>(items: readonly T[]): T
  /** An array of up to `most` values that `make` returns. */
  several<T>(most: number, make: () => T): T[]
  bytes(length: number): Uint8Array
  /** Text with ASCII, control characters, line ends and lone surrogates. */
  text(most: number): string
}

export function randomOf(seed: number): Random {
  // mulberry32
  let state = seed >>> 0
  const below = (n: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n)
  }
  const oneOf = <T>(items: readonly T[]): T => items[below(items.length)]!
  const several = <T>(most: number, make: () => T): T[] => Array.from({ length: below(most + 1) }, make)
  const odd = ['', '\0', '\x1b[2J', '\r', '\t', '\u2028', '\ud800', '\udc80', 'ä', '😀', '__proto__']
  const character = () => (below(6) === 0 ? oneOf(odd) : String.fromCharCode(32 + below(95)))
  return {
    below,
    oneOf,
    several,
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
    text: (most) => several(most, character).join(''),
  }
}

/** LIBBPF_NODE_PROPERTY_RUNS=100 runs a hundred times as many. */
const factor = Number(process.env.LIBBPF_NODE_PROPERTY_RUNS ?? 1)

/** Calls `work` with `count` seeds. An error names its seed, and `times(1, work, seed)` repeats that call. */
export function times(count: number, work: (random: Random) => void, first = 1): void {
  for (let seed = first; seed < first + count * factor; seed++) {
    try {
      work(randomOf(seed))
    } catch (error) {
      throw new Error(`with seed ${seed}: ${(error as Error).message}`, { cause: error })
    }
  }
}
