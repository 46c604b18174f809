import { isBytes } from './bytes.js'
import { compose } from './compose.js'
import { type Frame, frameOf, type Raw } from './frame.js'
import { generate } from './generate.js'
import { describe, resolve, sizeOf } from './layout.js'
import type { BtfTypes } from './parse.js'
import { isFlexible, type Plan, Planner } from './plan.js'

/** How a codec is made. */
export interface CodecOptions {
  /**
   * Integers of more than 32 bits are bigints, the default. With `false` they are numbers, and decoding one that a number
   * can't hold is a RangeError. Encoding takes either in both cases. Pointers are always bigints.
   */
  readonly bigint?: boolean
  /** What a value is called in errors (`event.pid: missing`); otherwise the type's name. */
  readonly name?: string
  /** Makes source code, the default where that is allowed, or with `false` composes closures: the same, slower. */
  readonly generate?: boolean
}

/** Reads and writes values of one type. Its functions may be called on their own. */
export interface Codec<T = unknown> {
  /** The type that it was made for. */
  readonly typeId: number
  /** Size of the type in bytes; without the items of a flexible array. */
  readonly size: number
  /** The type ends in a flexible array, so that its values may be longer than `size`. */
  readonly flexible: boolean

  /**
   * Reads a value.
   *
   * @param offset - where it starts in the view, in bytes; 0 by default
   * @param length - how many bytes the record has. A flexible array reaches to its end, and is empty without it
   * @throws RangeError when the record is shorter than the type
   */
  readonly decode: (view: DataView, offset?: number, length?: number) => T

  /**
   * Writes a value in place; all bytes that no member covers become 0. When it throws, what it has written is undefined.
   *
   * @throws TypeError or RangeError that says which member is wrong: `event.addr.port: 70000 does not fit u16`
   */
  readonly encode: (value: T, view: DataView, offset?: number) => void

  /** How many bytes `encode` writes for this value: `size`, but for flexible arrays. */
  readonly byteLength: (value: T) => number

  /** Reads a value from bytes that are all its own. */
  readonly decodeBytes: (bytes: Uint8Array) => T

  /** Writes a value into new bytes. */
  readonly encodeBytes: (value: T) => Uint8Array
}

/** Making code from strings is allowed here. Electron's renderers and `--disallow-code-generation-from-strings` forbid it. */
const evalAllowed = (() => {
  try {
    return new Function('return true')() === true
  } catch {
    return false
  }
})()

/**
 * Makes the codec for a type.
 *
 * - Structs, unions and datasecs are plain objects, members of anonymous structs and unions their own. Of a union's
 *   members each is readable; one must be given to be written, or several that agree.
 * - Integers and enums of up to 32 bits, and bitfields of up to 32 bits, are numbers; larger ones and pointers bigints.
 *   `bool` is a boolean, floats are numbers.
 * - `char[N]` is a string: UTF-8 up to the first NUL. To write other bytes give a Uint8Array.
 * - Other arrays of unsigned bytes are Uint8Arrays (copies), as are floats that JavaScript doesn't have. Other arrays are
 *   arrays.
 *
 * @throws TypeError when the type has no values (a function, a forward declaration)
 * @throws Error when the BTF contradicts itself
 */
export function compile<T = unknown>(btf: BtfTypes, typeId: number, options: CodecOptions = {}): Codec<T> {
  const plan = new Planner(btf, options.bigint === false).plan(typeId)
  const size = sizeOf(btf, typeId)
  const { root, words } = titleOf(btf, typeId, plan)
  const frame = frameOf(plan, size, options.name ?? root, words)
  const make = options.generate !== false && evalAllowed ? generate : compose
  return codecOf<T>(typeId, make(plan, btf.littleEndian, frame), frame, isFlexible(plan))
}

/** What values of a type are called in errors, and what the type is. */
export function titleOf(btf: BtfTypes, typeId: number, plan: Plan): { root: string; words: string } {
  const type = resolve(btf, typeId)
  const named = btf.type(typeId)
  return {
    root: plan.op === 'record' && named.name !== '' ? named.name : 'value',
    words: type.name === '' && named.name !== '' ? named.name : describe(type),
  }
}

const ownCodecs = new WeakSet<object>()

/** Whether a codec was made by this package. Such a codec keeps nothing of the view that it is given. @internal */
export function isOwnCodec(codec: object): boolean {
  return ownCodecs.has(codec)
}

/** @throws TypeError if what a user gives as a codec is not one @internal */
export function expectCodec(what: string, codec: unknown): asserts codec is Codec {
  const { size, decode, encode } = (codec ?? {}) as Partial<Codec>
  const isCodec = Number.isSafeInteger(size) && typeof decode === 'function' && typeof encode === 'function'
  if (isCodec && size! >= 0) return
  throw new TypeError(`${what} is not a codec: it needs a size in bytes and the functions decode and encode`)
}

/** Puts a codec together. @internal */
export function codecOf<T>(typeId: number, raw: Raw, frame: Frame, flexible: boolean): Codec<T> {
  const { decode, encode } = raw
  const codec: Codec<T> = {
    typeId,
    size: frame.size,
    flexible,
    decode: decode as Codec<T>['decode'],
    encode: encode as Codec<T>['encode'],
    byteLength: frame.byteLength,
    decodeBytes(bytes) {
      return decode(viewOf(bytes), 0, bytes.length) as T
    },
    encodeBytes(value) {
      const bytes = new Uint8Array(frame.byteLength(value))
      encode(value, viewOf(bytes), 0)
      return bytes
    },
  }
  // Frozen, because nobody may put another function in.
  ownCodecs.add(Object.freeze(codec))
  return codec
}

function viewOf(bytes: Uint8Array): DataView {
  if (!isBytes(bytes)) throw new TypeError('the bytes must be given as a Uint8Array')
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
