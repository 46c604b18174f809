import { isBytes } from '../btf/bytes.js'
import { native } from '../native/binding.js'

/** How a map's keys or values are turned into bytes and back. A `Codec` of lib/btf is one. @internal */
export interface ElementCodec<T = unknown> {
  decode(view: DataView, offset?: number): T
  encode(value: T, view: DataView, offset?: number): void
}

/** Bytes as they are, copied. @internal */
export function bytesCodec(what: string, size: number): ElementCodec<Uint8Array> {
  return {
    decode: (view, offset = 0) => new Uint8Array(view.buffer, view.byteOffset + offset, size).slice(),
    encode: (value, view, offset = 0) => {
      // Maps without keys (queues) are asked for no key at all.
      if (value === undefined && size === 0) return
      if (!isBytes(value)) throw new TypeError(`${what} is not a Uint8Array`)
      if (value.length !== size)
        throw new RangeError(`${what} has ${value.length} bytes, the map's have ${size}`)
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
        throw new RangeError(`value has ${values.length} elements, there are ${cpus} possible CPUs`)
      for (const [cpu, value] of values.entries()) one.encode(value, view, offset + cpu * stride)
    },
  }
}
