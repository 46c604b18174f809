import { viewOf } from '../../btf/bytes.js'

/** Reads numbers and texts one after the other. Beyond the end, it throws a RangeError. */
export class Cursor {
  at = 0
  readonly bytes: Uint8Array
  readonly #view: DataView
  readonly #little: boolean

  constructor(bytes: Uint8Array, littleEndian: boolean) {
    this.bytes = bytes
    this.#view = viewOf(bytes)
    this.#little = littleEndian
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length
  }

  u8(): number {
    const value = this.bytes[this.at]
    if (value === undefined) throw new RangeError('the debug information ends early')
    this.at++
    return value
  }

  i8(): number {
    return (this.u8() << 24) >> 24
  }

  u16(): number {
    const value = this.#view.getUint16(this.at, this.#little)
    this.at += 2
    return value
  }

  u24(): number {
    const [a, b, c] = [this.u8(), this.u8(), this.u8()]
    return this.#little ? a | (b << 8) | (c << 16) : (a << 16) | (b << 8) | c
  }

  u32(): number {
    const value = this.#view.getUint32(this.at, this.#little)
    this.at += 4
    return value
  }

  /** Numbers of 2^53 and more are not exact. They are no addresses of user space. */
  u64(): number {
    const [first, second] = [this.u32(), this.u32()]
    return this.#little ? first + second * 2 ** 32 : second + first * 2 ** 32
  }

  /** An unsigned number of 1, 2, 3, 4 or 8 bytes. */
  unsigned(size: number): number {
    switch (size) {
      case 1:
        return this.u8()
      case 2:
        return this.u16()
      case 3:
        return this.u24()
      case 4:
        return this.u32()
      case 8:
        return this.u64()
      default:
        throw new RangeError(`a number has ${size} bytes`)
    }
  }

  /** Groups of 7 bits, the lowest first. */
  uleb(): number {
    const first = this.u8()
    if (first < 128) return first
    let value = first & 127
    for (let factor = 128; ; factor *= 128) {
      const byte = this.u8()
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }

  /** The same with a sign, which is the highest bit. */
  sleb(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.u8()
      value += (byte & 127) * factor
      if (byte < 128) return (byte & 64) === 0 ? value : value - factor * 128
    }
  }

  skipLeb(): void {
    while (this.u8() >= 128);
  }

  skip(count: number): void {
    this.at += count
    if (!(this.at <= this.bytes.length)) throw new RangeError('the debug information ends early')
  }

  skipText(): void {
    const end = this.bytes.indexOf(0, this.at)
    if (end < 0) throw new RangeError('a text has no end')
    this.at = end + 1
  }

  text(): string {
    const start = this.at
    this.skipText()
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, this.at - 1 - start).toString('utf8')
  }

  /** The length that units and tables begin with. One of 0xffffffff says that 64 bits follow. */
  length(): { length: number; offsetSize: 4 | 8 } {
    const length = this.u32()
    if (length < 0xffff_fff0) return { length, offsetSize: 4 }
    if (length !== 0xffff_ffff) throw new RangeError(`a unit has the length ${length}`)
    return { length: this.u64(), offsetSize: 8 }
  }
}
