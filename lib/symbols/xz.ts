// Decompresses xz, which Node.js cannot do: the symbols in .gnu_debugdata are compressed with it. Only LZMA2 is needed.

/** Symbols of one program are not larger, and a small file can become a huge one. */
const mostBytes = 32 * 1024 * 1024

/** @throws RangeError if the bytes are damaged, or use something that .gnu_debugdata does not */
export function unxz(bytes: Uint8Array): Uint8Array {
  const magic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]
  if (magic.some((byte, i) => bytes[i] !== byte)) throw new RangeError('this is not xz')
  const checkSize = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64][bytes[7]! & 15]!
  const output = new Output()
  for (let at = 12; ; ) {
    const size = bytes[at]
    // An index follows the last block.
    if (size === undefined || size === 0) return output.bytes()
    const next = readLzma2(bytes, at + blockHeadSize(bytes, at, size), output)
    // The data of a block is padded to a multiple of four bytes, and a checksum follows.
    at = ((next + 3) & ~3) + checkSize
  }
}

/** Checks that the only filter of a block is LZMA2. */
function blockHeadSize(bytes: Uint8Array, at: number, size: number): number {
  const flags = bytes[at + 1]!
  let here = at + 2
  const skipNumber = (): void => {
    while ((bytes[here++] ?? 0) & 0x80);
  }
  if (flags & 0x40) skipNumber()
  if (flags & 0x80) skipNumber()
  if ((flags & 3) !== 0 || bytes[here] !== 0x21) throw new RangeError('xz: a filter other than LZMA2')
  return (size + 1) * 4
}

/** Bytes that were decompressed, to which later ones refer. */
class Output {
  #bytes = new Uint8Array(1 << 20)
  size = 0

  push(byte: number): void {
    if (this.size === this.#bytes.length) this.#grow()
    this.#bytes[this.size++] = byte
  }

  #grow(): void {
    if (this.size >= mostBytes) throw new RangeError(`xz: more than ${mostBytes} bytes`)
    const larger = new Uint8Array(this.size * 2)
    larger.set(this.#bytes)
    this.#bytes = larger
  }

  /** The byte `distance` before the end. */
  back(distance: number): number {
    return this.#bytes[this.size - distance]!
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.size)
  }
}

/** Reads the chunks of LZMA2. @returns where they end */
function readLzma2(bytes: Uint8Array, start: number, output: Output): number {
  const lzma = new Lzma(bytes, output)
  let at = start
  // References do not reach over a chunk that resets the dictionary.
  for (;;) {
    const control = bytes[at]
    if (control === undefined) throw new RangeError('xz: the data ends early')
    if (control === 0) return at + 1
    if (control === 1 || control === 2) {
      const size = ((bytes[at + 1]! << 8) | bytes[at + 2]!) + 1
      if (at + 3 + size > bytes.length) throw new RangeError('xz: the data ends early')
      if (control === 1) lzma.beginDictionary()
      for (let i = 0; i < size; i++) output.push(bytes[at + 3 + i]!)
      at += 3 + size
      continue
    }
    if (control < 0x80) throw new RangeError('xz: a damaged chunk')
    const unpacked = (((control & 31) << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!) + 1
    const packed = ((bytes[at + 3]! << 8) | bytes[at + 4]!) + 1
    const reset = (control >> 5) & 3
    const head = reset >= 2 ? 6 : 5
    if (at + head + packed > bytes.length) throw new RangeError('xz: the data ends early')
    if (reset === 3) lzma.beginDictionary()
    if (reset >= 2) lzma.setProperties(bytes[at + 5]!)
    if (reset >= 1) lzma.resetState()
    lzma.decode(at + head, at + head + packed, unpacked)
    at += head + packed
  }
}

const probabilities = (count: number): Uint16Array => new Uint16Array(count).fill(1024)

/** How lengths of matches are coded. */
interface Lengths {
  readonly choice: Uint16Array
  readonly low: Uint16Array
  readonly middle: Uint16Array
  readonly high: Uint16Array
}

const lengths = (): Lengths => ({
  choice: probabilities(2),
  low: probabilities(16 << 3),
  middle: probabilities(16 << 3),
  high: probabilities(256),
})

/** The decoder of LZMA: a range coder over adaptive probabilities, and references to earlier bytes. */
class Lzma {
  readonly #bytes: Uint8Array
  readonly #output: Output
  #dictionary = 0
  #at = 0
  #end = 0
  #range = 0
  #code = 0
  #lc = 0
  #lp = 0
  #pb = 0
  #state = 0
  #reps = [0, 0, 0, 0]
  #literals = probabilities(0)
  #isMatch = probabilities(0)
  #isRep = probabilities(0)
  #isRep0Long = probabilities(0)
  /** Whether it is the second, third or fourth last distance, for each state. */
  #isRepG: Uint16Array[] = []
  #slots: Uint16Array[] = []
  #special = probabilities(0)
  #align = probabilities(0)
  #matchLengths = lengths()
  #repLengths = lengths()

  constructor(bytes: Uint8Array, output: Output) {
    this.#bytes = bytes
    this.#output = output
    this.#dictionary = output.size
  }

  beginDictionary(): void {
    this.#dictionary = this.#output.size
  }

  setProperties(byte: number): void {
    this.#lc = byte % 9
    this.#lp = Math.floor(byte / 9) % 5
    this.#pb = Math.floor(byte / 45)
    if (this.#pb > 4 || this.#lc + this.#lp > 4) throw new RangeError('xz: damaged properties')
  }

  resetState(): void {
    this.#state = 0
    this.#reps = [0, 0, 0, 0]
    this.#literals = probabilities(0x300 << (this.#lc + this.#lp))
    this.#isMatch = probabilities(12 << 4)
    this.#isRep = probabilities(12)
    this.#isRep0Long = probabilities(12 << 4)
    this.#isRepG = [probabilities(12), probabilities(12), probabilities(12)]
    this.#slots = [0, 1, 2, 3].map(() => probabilities(64))
    this.#special = probabilities(128)
    this.#align = probabilities(16)
    this.#matchLengths = lengths()
    this.#repLengths = lengths()
  }

  decode(start: number, end: number, size: number): void {
    if (this.#isMatch.length === 0) throw new RangeError('xz: a damaged chunk')
    this.#at = start + 1
    this.#end = end
    this.#range = 0xffff_ffff
    this.#code = 0
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#next()) >>> 0
    const output = this.#output
    const until = output.size + size
    while (output.size < until) {
      const position = (output.size - this.#dictionary) & ((1 << this.#pb) - 1)
      const place = (this.#state << 4) + position
      if (this.#bit(this.#isMatch, place) === 0) this.#literal()
      else {
        const length =
          this.#bit(this.#isRep, this.#state) === 0 ? this.#match(position) : this.#rep(place, position)
        const distance = this.#reps[0]! + 1
        if (distance > output.size - this.#dictionary || output.size + length > until)
          throw new RangeError('xz: a damaged reference')
        for (let i = 0; i < length; i++) output.push(output.back(distance))
      }
    }
  }

  #next(): number {
    if (this.#at >= this.#end) throw new RangeError('xz: the data ends early')
    return this.#bytes[this.#at++]!
  }

  #normalize(): void {
    if (this.#range >= 1 << 24) return
    this.#range = (this.#range << 8) >>> 0
    this.#code = ((this.#code << 8) | this.#next()) >>> 0
  }

  #bit(table: Uint16Array, index: number): 0 | 1 {
    this.#normalize()
    const probability = table[index]!
    const bound = (this.#range >>> 11) * probability
    if (this.#code < bound) {
      this.#range = bound
      table[index] = probability + ((2048 - probability) >> 5)
      return 0
    }
    this.#range -= bound
    this.#code -= bound
    table[index] = probability - (probability >> 5)
    return 1
  }

  #directBits(count: number): number {
    let value = 0
    for (let i = 0; i < count; i++) {
      this.#normalize()
      this.#range >>>= 1
      const bit = this.#code >= this.#range ? 1 : 0
      if (bit === 1) this.#code -= this.#range
      value = value * 2 + bit
    }
    return value
  }

  #tree(table: Uint16Array, bits: number, base = 0): number {
    let node = 1
    for (let i = 0; i < bits; i++) node = (node << 1) | this.#bit(table, base + node)
    return node - (1 << bits)
  }

  /** The lowest bit comes first. */
  #reverseTree(table: Uint16Array, bits: number, base: number): number {
    let node = 1
    let value = 0
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(table, base + node)
      node = (node << 1) | bit
      value |= bit << i
    }
    return value
  }

  #literal(): void {
    const output = this.#output
    const size = output.size - this.#dictionary
    const before = size > 0 ? output.back(1) : 0
    const context = ((size & ((1 << this.#lp) - 1)) << this.#lc) + (before >> (8 - this.#lc))
    const base = 0x300 * context
    let symbol = 1
    if (this.#state >= 7) {
      const distance = this.#reps[0]! + 1
      if (distance > size) throw new RangeError('xz: a damaged reference')
      let matched = output.back(distance)
      while (symbol < 0x100) {
        const expected = (matched >> 7) & 1
        matched <<= 1
        const bit = this.#bit(this.#literals, base + ((1 + expected) << 8) + symbol)
        symbol = (symbol << 1) | bit
        if (bit !== expected) break
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(this.#literals, base + symbol)
    output.push(symbol & 0xff)
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6
  }

  #match(position: number): number {
    const length = this.#length(this.#matchLengths, position)
    this.#state = this.#state < 7 ? 7 : 10
    const slot = this.#tree(this.#slots[Math.min(length - 2, 3)]!, 6)
    let distance = slot
    if (slot >= 4) {
      const bits = (slot >> 1) - 1
      distance = (2 | (slot & 1)) * 2 ** bits
      if (slot < 14) distance += this.#reverseTree(this.#special, bits, distance - slot)
      else distance += this.#directBits(bits - 4) * 16 + this.#reverseTree(this.#align, 4, 0)
    }
    this.#reps = [distance, this.#reps[0]!, this.#reps[1]!, this.#reps[2]!]
    return length
  }

  /** A distance that was used not long ago. */
  #rep(place: number, position: number): number {
    const state = this.#state
    const [is1, is2, is3] = this.#isRepG
    if (this.#bit(is1!, state) === 0) {
      if (this.#bit(this.#isRep0Long, place) === 0) {
        this.#state = state < 7 ? 9 : 11
        return 1
      }
    } else {
      const which = this.#bit(is2!, state) === 0 ? 1 : this.#bit(is3!, state) === 0 ? 2 : 3
      const [distance] = this.#reps.splice(which, 1)
      this.#reps.unshift(distance!)
    }
    const length = this.#length(this.#repLengths, position)
    this.#state = state < 7 ? 8 : 11
    return length
  }

  #length({ choice, low, middle, high }: Lengths, position: number): number {
    if (this.#bit(choice, 0) === 0) return 2 + this.#tree(low, 3, position << 3)
    if (this.#bit(choice, 1) === 0) return 10 + this.#tree(middle, 3, position << 3)
    return 18 + this.#tree(high, 8)
  }
}
