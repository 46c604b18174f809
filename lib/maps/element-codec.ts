import { isBytes } from '../btf/bytes.js'
import { type Codec, expectCodec, isOwnCodec } from '../btf/codec.js'
import { native } from '../native/binding.js'

/** Turns a map's keys or values into bytes and back. A `Codec` of lib/btf is one. @internal */
export interface ElementCodec<T = unknown> {
  decode(view: DataView, offset?: number): T
  encode(value: T, view: DataView, offset?: number): void
}

/** Bytes, copied. @internal */
export function bytesCodec(what: string, size: number): ElementCodec<Uint8Array> {
  return {
    decode: (view, offset = 0) => new Uint8Array(view.buffer, view.byteOffset + offset, size).slice(),
    encode: (value, view, offset = 0) => {
      // Maps without keys (queues) need none.
      if (value === undefined && size === 0) return
      if (!isBytes(value)) throw new TypeError(`${what} is not a Uint8Array`)
      if (value.length !== size)
        throw new RangeError(`${what} has ${value.length} bytes, but the map's ${what}s have ${size}`)
      new Uint8Array(view.buffer, view.byteOffset + offset, size).set(value)
    },
  }
}

/** One value for each possible CPU, each padded to 8 bytes. @internal */
export function perCpuCodec<T>(one: ElementCodec<T>, size: number): ElementCodec<T[]> {
  const cpus = native.possibleCpus()
  const stride = size / cpus
  return {
    decode: (view, offset = 0) =>
      Array.from({ length: cpus }, (_, cpu) => one.decode(view, offset + cpu * stride)),
    encode: (values, view, offset = 0) => {
      if (!Array.isArray(values))
        throw new TypeError('value is not an array with an element for each possible CPU')
      if (values.length !== cpus)
        throw new RangeError(
          `value has ${values.length} elements, but this machine has ${cpus} possible CPUs`,
        )
      // The array's own length can change: an element may be a getter.
      for (let cpu = 0; cpu < cpus; cpu++) one.encode(values[cpu] as T, view, offset + cpu * stride)
    },
  }
}

/**
 * A codec that a user gives for the keys or values of a map. One that is not ours works on copies: it may keep the view
 * that it is given, or transfer its buffer, to which native code has a pointer.
 *
 * @throws TypeError if it is not a codec
 * @internal
 */
export function givenCodec<T>(what: string, codec: Codec<T>): ElementCodec<T> {
  expectCodec(`the codec of the ${what}s`, codec, ['decode', 'encode'])
  if (isOwnCodec(codec)) return codec
  const { size } = codec
  if (!Number.isSafeInteger(size) || size < 0)
    throw new TypeError(`the codec of the ${what}s is not a codec: its size is not a number of bytes`)
  return {
    decode(view, offset = 0) {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, size).slice()
      return codec.decode(new DataView(bytes.buffer), 0)
    },
    encode(value, view, offset = 0) {
      const bytes = new Uint8Array(size)
      codec.encode(value, new DataView(bytes.buffer), 0)
      if (bytes.length !== size) throw new TypeError(`the codec of the ${what}s detached its buffer`)
      new Uint8Array(view.buffer, view.byteOffset + offset, size).set(bytes)
    },
  }
}
