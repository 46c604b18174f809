/** A table of zero-terminated strings without duplicates, as ELF and BTF have it. */
export class StringTable {
  readonly #offsets = new Map<string, number>([['', 0]])
  readonly #chunks: Uint8Array[]
  #length: number

  /** @param start - how many bytes of strings come before this table, in the BTF that split BTF extends */
  constructor(start = 0) {
    this.#chunks = start === 0 ? [new Uint8Array(1)] : []
    this.#length = start === 0 ? 1 : start
  }

  /** The offset of a string in bytes. */
  add(text: string): number {
    const known = this.#offsets.get(text)
    if (known !== undefined) return known
    if (text.includes('\0')) throw new RangeError(`${JSON.stringify(text)} has a zero byte in it`)
    const bytes = new TextEncoder().encode(`${text}\0`)
    const offset = this.#length
    this.#offsets.set(text, offset)
    this.#chunks.push(bytes)
    this.#length += bytes.length
    return offset
  }

  bytes(): Uint8Array {
    return concat(this.#chunks)
  }
}

export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}
