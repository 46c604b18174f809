import { isBytes, viewOf } from './bytes.js'
import { compose } from './compose.js'
import { type Frame, frameOf, type Raw } from './frame.js'
import { generate } from './generate.js'
import { describe, resolve, sizeOf } from './layout.js'
import type { BtfTypes } from './parse.js'
import { isFlexible, type Plan, Planner } from './plan.js'
import { setViewSource } from './record-view.js'

/** Options for making a codec. */
export interface CodecOptions {
  /**
   * Whether integers of more than 32 bits are bigints. The default is `true`. With `false` they are numbers, and
   * decoding one that is not a safe integer throws a RangeError. Encoding accepts both in either case. Pointers are
   * always bigints.
   */
  readonly bigint?: boolean
  /** The name of a value in errors, such as `event` in `event.pid: missing`. The default is the type's name. */
  readonly name?: string
  /**
   * Whether to generate source code, which is the default where the environment allows it. With `false`, the codec is
   * made of closures, which do the same but are slower.
   */
  readonly generate?: boolean
}

/** Reads and writes values of one type. Its functions do not need a `this`. */
export interface Codec<T = unknown> {
  /** The id of the type in its BTF. */
  readonly typeId: number
  /** Size of the type in bytes, without the items of a flexible array. */
  readonly size: number
  /** Whether the type ends in a flexible array, so that its values may be longer than `size`. */
  readonly flexible: boolean

  /**
   * Reads a value.
   *
   * @param offset - where the value starts in the view, in bytes; 0 by default
   * @param length - how many bytes the record has. A flexible array extends to the end of the record. Without `length`,
   *   it is empty
   * @throws RangeError if the record is shorter than the type
   */
  readonly decode: (view: DataView, offset?: number, length?: number) => T

  /**
   * Writes a value in place. Bytes that no member covers become 0. If it throws, the contents of the bytes are
   * undefined.
   *
   * @throws TypeError or RangeError that names the member that is wrong: `event.addr.port: 70000 does not fit u16`
   */
  readonly encode: (value: T, view: DataView, offset?: number) => void

  /** Returns how many bytes `encode` writes for this value. It is `size`, or more if there is a flexible array. */
  readonly byteLength: (value: T) => number

  /** Reads a value from bytes that contain nothing else. */
  readonly decodeBytes: (bytes: Uint8Array) => T

  /** Writes a value into new bytes. */
  readonly encodeBytes: (value: T) => Uint8Array
}

/**
 * Whether code can be made from strings. Electron's renderers and `--disallow-code-generation-from-strings` forbid it.
 */
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
 * - Structs, unions and sections are plain objects. Members of anonymous structs and unions belong to the object around
 *   them. When you read a union, you get all its members. When you write one, give one member, or several that agree.
 * - Integers, enums and bitfields of up to 32 bits are numbers. Larger ones and pointers are bigints. `bool` is a
 *   boolean, and floats are numbers.
 * - `char[N]` is a string: UTF-8 up to the first NUL. To write other bytes, give a Uint8Array.
 * - Other arrays of unsigned bytes are Uint8Arrays, which are copies. So are floats of a size that JavaScript does not
 *   have. All other arrays are arrays.
 *
 * @throws TypeError if the type has no values (a function, a forward declaration), or has a member whose type BTF
 *   cannot express
 * @throws Error if the BTF contradicts itself
 */
export function compile<T = unknown>(btf: BtfTypes, typeId: number, options: CodecOptions = {}): Codec<T> {
  const plan = new Planner(btf, options.bigint === false).plan(typeId)
  const size = sizeOf(btf, typeId)
  const { root, words } = titleOf(btf, typeId, plan)
  const frame = frameOf(plan, size, options.name ?? root, words)
  const make = options.generate !== false && evalAllowed ? generate : compose
  const codec = codecOf<T>(typeId, make(plan, btf.littleEndian, frame), frame, isFlexible(plan))
  const source = { plan, littleEndian: btf.littleEndian, root: options.name ?? root }
  setViewSource(codec, () => source)
  return codec
}

/** Returns how errors call a value of a type, and the type itself. */
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

/**
 * Checks what a user gives as a codec.
 *
 * @param functions - those that will be called
 * @throws TypeError if one of them is missing
 * @internal
 */
export function expectCodec(
  what: string,
  codec: unknown,
  functions: readonly ('decode' | 'encode' | 'encodeBytes')[],
): asserts codec is Codec {
  const given = (codec ?? {}) as Partial<Codec>
  const missing = functions.find((name) => typeof given[name] !== 'function')
  if (missing !== undefined) throw new TypeError(`${what} is not a codec: it has no function ${missing}`)
}

/** Assembles a codec. @internal */
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
      return decode(checkedView(bytes), 0, bytes.length) as T
    },
    encodeBytes(value) {
      const bytes = new Uint8Array(frame.byteLength(value))
      encode(value, viewOf(bytes), 0)
      return bytes
    },
  }
  // Frozen, so that nobody can replace its functions.
  ownCodecs.add(Object.freeze(codec))
  return codec
}

function checkedView(bytes: Uint8Array): DataView {
  if (!isBytes(bytes)) throw new TypeError('the bytes must be a Uint8Array')
  return viewOf(bytes)
}
