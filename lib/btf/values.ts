import { isBytes } from './bytes.js'
import { badInteger, outOfRange, wrongType } from './fault.js'
import type { BigPlan, BitsPlan, IntPlan, Plan } from './plan.js'
import { encodeText, writeText } from './text.js'

/**
 * Reads and writes values that need more than one DataView call. Generated and composed codecs share these functions.
 * `path` is always the path of the value within its record, for errors.
 */

/** Returns the name of an integer type for messages. */
export function integerName(plan: IntPlan | BigPlan | BitsPlan): string {
  if (plan.op === 'bits')
    return `${plan.width} ${plan.signed ? 'signed ' : ''}bit${plan.width === 1 ? '' : 's'}`
  return `${plan.signed ? 's' : 'u'}${plan.size * 8}`
}

/** Fills bytes with zeros. Writing doubles is the fastest way to write 8 bytes. */
export function zero(view: DataView, offset: number, size: number): void {
  const end = offset + size
  let i = offset
  for (; i + 8 <= end; i += 8) view.setFloat64(i, 0)
  for (; i < end; i++) view.setUint8(i, 0)
}

/**
 * Returns a member of a value. For a name that every object inherits, such as `toString`, only the object's own
 * property counts.
 */
export function member(value: object, name: string): unknown {
  if (name in Object.prototype && !Object.hasOwn(value, name)) return undefined
  return (value as Record<string, unknown>)[name]
}

/** Makes a constructor of plain objects from a function that assigns their members. */
export function plainConstructor<T>(
  fill: (this: Record<string, unknown>, view: DataView, offset: number, end: number) => void,
): new (
  view: DataView,
  offset: number,
  end?: number,
) => T {
  fill.prototype = Object.prototype
  return fill as unknown as new (
    view: DataView,
    offset: number,
    end?: number,
  ) => T
}

/** Throws unless the value is an object with members. */
export function checkObject(value: unknown): asserts value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) wrongType(value, 'an object', '')
}

/** Throws unless the value is an array with `length` items. With -1, any length is fine. */
export function checkArray(value: unknown, length: number): ArrayLike<unknown> {
  if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && 'length' in value))
    wrongType(value, 'an array', '')
  const list = value as ArrayLike<unknown>
  if (length >= 0 && list.length !== length)
    outOfRange(`has ${list.length} items, but ${length} are required`, '')
  return list
}

/** Reads 64 bits as a number. */
export function readSafe64(
  view: DataView,
  offset: number,
  signed: boolean,
  littleEndian: boolean,
  path: string,
): number {
  const low = view.getUint32(littleEndian ? offset : offset + 4, littleEndian)
  const at = littleEndian ? offset + 4 : offset
  const high = signed ? view.getInt32(at, littleEndian) : view.getUint32(at, littleEndian)
  const value = high * 4294967296 + low
  if (Number.isSafeInteger(value)) return value
  return safe(signed ? view.getBigInt64(offset, littleEndian) : view.getBigUint64(offset, littleEndian), path)
}

/** Writes 64 bits, which are usually given as a number. */
export function writeSafe64(
  view: DataView,
  offset: number,
  value: unknown,
  signed: boolean,
  littleEndian: boolean,
  path: string,
): void {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || (value < 0 && !signed)) {
    const big = toBigInt(value, 64, signed, signed ? 's64' : 'u64', path)
    view.setBigUint64(offset, BigInt.asUintN(64, big), littleEndian)
    return
  }
  view.setUint32(littleEndian ? offset : offset + 4, value, littleEndian)
  view.setUint32(littleEndian ? offset + 4 : offset, Math.floor(value / 4294967296), littleEndian)
}

/** Converts a bigint to a number, or throws. */
export function safe(value: bigint, path: string): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number))
    outOfRange(`${value} is too large for a number: read it as a bigint`, path)
  return number
}

export function read128(view: DataView, offset: number, signed: boolean, littleEndian: boolean): bigint {
  const low = view.getBigUint64(littleEndian ? offset : offset + 8, littleEndian)
  const at = littleEndian ? offset + 8 : offset
  const high = signed ? view.getBigInt64(at, littleEndian) : view.getBigUint64(at, littleEndian)
  return (high << 64n) | low
}

/** Writes the low 128 bits. */
export function write128(view: DataView, offset: number, value: bigint, littleEndian: boolean): void {
  view.setBigUint64(littleEndian ? offset : offset + 8, BigInt.asUintN(64, value), littleEndian)
  view.setBigUint64(littleEndian ? offset + 8 : offset, BigInt.asUintN(64, value >> 64n), littleEndian)
}

/** Converts a bigint or number to a bigint of this many bits, or throws. */
export function toBigInt(value: unknown, bits: number, signed: boolean, name: string, path: string): bigint {
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) {
    const big = BigInt(value as number | bigint)
    if ((signed ? BigInt.asIntN(bits, big) : BigInt.asUintN(bits, big)) === big) return big
  }
  badInteger(value, 'a bigint', name, path)
}

/** Reads a word of any number of bytes. */
function readWord(view: DataView, offset: number, bytes: number, littleEndian: boolean): bigint {
  if (bytes === 8) return view.getBigUint64(offset, littleEndian)
  let word = 0n
  for (let i = 0; i < bytes; i++) {
    word = (word << 8n) | BigInt(view.getUint8(littleEndian ? offset + bytes - 1 - i : offset + i))
  }
  return word
}

/** Reads a bitfield that has more than 32 bits, or is in a word that does not have 1, 2 or 4 bytes. */
export function readBits(
  view: DataView,
  offset: number,
  bytes: number,
  shift: number,
  width: number,
  signed: boolean,
  littleEndian: boolean,
): bigint {
  const word = readWord(view, offset, bytes, littleEndian) >> BigInt(shift)
  return signed ? BigInt.asIntN(width, word) : BigInt.asUintN(width, word)
}

/** Writes such a bitfield, and leaves the bits around it alone. */
export function writeBits(
  view: DataView,
  offset: number,
  bytes: number,
  shift: number,
  width: number,
  littleEndian: boolean,
  value: bigint,
): void {
  const mask = ((1n << BigInt(width)) - 1n) << BigInt(shift)
  let word = readWord(view, offset, bytes, littleEndian) & ~mask
  word |= BigInt.asUintN(width, value) << BigInt(shift)
  for (let i = 0; i < bytes; i++) {
    view.setUint8(littleEndian ? offset + i : offset + bytes - 1 - i, Number(word & 0xffn))
    word >>= 8n
  }
}

/**
 * Writes a float. Writing a NaN over another NaN changes nothing, because another member of a union may have written
 * its bits.
 */
export function writeFloat(
  view: DataView,
  offset: number,
  size: number,
  value: unknown,
  littleEndian: boolean,
  path: string,
): void {
  if (typeof value !== 'number') wrongType(value, 'a number', path)
  if (size === 8) {
    if (!Number.isNaN(value) || !Number.isNaN(view.getFloat64(offset, littleEndian))) {
      view.setFloat64(offset, value, littleEndian)
    }
    return
  }
  if (Number.isFinite(value) && !Number.isFinite(Math.fround(value)))
    outOfRange(`${value} does not fit a float`, path)
  if (!Number.isNaN(value) || !Number.isNaN(view.getFloat32(offset, littleEndian))) {
    view.setFloat32(offset, value, littleEndian)
  }
}

/** Returns a copy of some bytes. */
export function readBytes(view: DataView, offset: number, length: number): Uint8Array {
  if (length > 32) return new Uint8Array(view.buffer, view.byteOffset + offset, length).slice()
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = view.getUint8(offset + i)
  return bytes
}

/** Writes exactly `length` bytes. A flexible array may have fewer. */
export function writeBytes(
  view: DataView,
  offset: number,
  length: number,
  flexible: boolean,
  value: unknown,
  path: string,
): void {
  if (!isBytes(value)) wrongType(value, 'a Uint8Array', path)
  if (flexible ? value.length > length : value.length !== length) {
    outOfRange(`has ${value.length} bytes, but ${length} are required`, path)
  }
  putBytes(view, offset, value)
}

function putBytes(view: DataView, offset: number, value: Uint8Array): void {
  if (value.length > 32) new Uint8Array(view.buffer, view.byteOffset + offset, value.length).set(value)
  else for (let i = 0; i < value.length; i++) view.setUint8(offset + i, value[i]!)
}

/** Writes a string, or the bytes of one. The place is already filled with zeros. */
export function putText(view: DataView, offset: number, length: number, value: unknown, path: string): void {
  if (typeof value === 'string') {
    if (writeText(view, offset, length, value)) return
    if (value.includes('\0')) outOfRange('a NUL would end the string early: pass a Uint8Array', path)
    outOfRange(`a string of ${encodeText(value).length} bytes does not fit char[${length}]`, path)
  }
  if (!isBytes(value)) wrongType(value, 'a string', path)
  if (value.length > length) outOfRange(`${value.length} bytes do not fit char[${length}]`, path)
  putBytes(view, offset, value)
}

/** Returns how many items of `stride` bytes fit before `end`. */
export function room(offset: number, end: number, stride: number): number {
  return end > offset ? Math.floor((end - offset) / stride) : 0
}

/**
 * Whether a value that was read equals the value that was given. A number equals the same bigint, and members that are
 * not given are ignored. A flexible array was read to the end of the record, which another member of the union may have
 * determined, so it may be longer than the given one.
 *
 * @param short - the value, read as if flexible arrays were empty. This shows which texts are flexible. (The length of
 *   other arrays was checked before.)
 */
export function same(read: unknown, given: unknown, short: unknown): boolean {
  if (Object.is(read, given)) return true
  if (typeof read === 'number' || typeof read === 'bigint') {
    // biome-ignore lint/suspicious/noDoubleEquals: 5 equals 5n, and -0 equals 0
    return (typeof given === 'number' || typeof given === 'bigint') && read == given
  }
  if (typeof read === 'string') return read !== short && typeof given === 'string' && read.startsWith(given)
  if (typeof read !== 'object' || read === null || typeof given !== 'object' || given === null) return false
  if (Array.isArray(read) || isBytes(read)) {
    return Array.from(given as ArrayLike<unknown>).every((item, i) => same(read[i], item, read[i]))
  }
  return Object.entries(read).every(([name, item]) => {
    const other = member(given, name)
    return other === undefined || same(item, other, (short as Record<string, unknown>)[name])
  })
}

/** Returns how many bytes a value takes. It is more than the type's size if a flexible array has items. */
export function byteLength(plan: Plan, value: unknown): number {
  if (plan.op === 'record') {
    let length = plan.size
    if (!plan.flexible || typeof value !== 'object' || value === null) return length
    for (const { name, offset, plan: field } of plan.fields) {
      const given = member(value, name)
      if (given === undefined || !('flexible' in field && field.flexible)) continue
      length = Math.max(length, offset + byteLength(field, given))
    }
    return length
  }
  if (plan.op === 'text' && plan.flexible && typeof value === 'string') return encodeText(value).length
  if (plan.op === 'text' || plan.op === 'bytes') {
    return plan.flexible && isBytes(value) ? value.length : plan.length
  }
  if (plan.op === 'array') {
    if (plan.flexible && (Array.isArray(value) || ArrayBuffer.isView(value))) {
      return (value as unknown as ArrayLike<unknown>).length * plan.stride
    }
    return plan.length * plan.stride
  }
  return plan.op === 'bits' ? plan.bytes : plan.size
}
