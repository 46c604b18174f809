import { isBytes } from './bytes.js'

/**
 * A replacer for `JSON.stringify`, for everything that this package hands out: events, map entries, infos and errors.
 * Without it, `JSON.stringify` throws at the first `bigint`, writes `{}` for an error, and writes byte arrays as
 * objects.
 *
 * | Value | JSON |
 * |---|---|
 * | `bigint` | a number if it is a safe integer, otherwise a decimal string; `BigInt(x)` reads both back |
 * | `Uint8Array`, `Buffer`, `ArrayBuffer`, `DataView` | a string of hexadecimal digits; `Buffer.from(x, 'hex')` reads it back |
 * | other typed arrays, `Set` | an array |
 * | `Map` | an object if all keys are strings or numbers, otherwise an array of `[key, value]` |
 * | `NaN`, `Infinity`, `-Infinity` | the strings `"NaN"`, `"Infinity"` and `"-Infinity"` |
 * | an error without a `toJSON` of its own | an object with `name`, `message`, `cause` and its own properties |
 *
 * Everything else is written as `JSON.stringify` does without a replacer.
 *
 * @example
 * import { BpfObject, jsonReplacer } from 'libbpf-node'
 * for await (const event of obj.ringBuffer('events', 'event')) {
 *   console.log(JSON.stringify(event, jsonReplacer))
 * }
 */
export function jsonReplacer(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : String(value)
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value !== 'object' || value === null) return value
  // JSON.stringify calls toJSON before the replacer, and a Buffer's makes an array of numbers.
  const raw = typeof this === 'object' && this !== null ? (this as Record<string, unknown>)[key] : undefined
  if (isBytes(raw)) return hex(raw)
  switch (tagOf(value)) {
    case 'Error':
      return plainError(value as Error)
    case 'Map':
      return plainMap(value as Map<unknown, unknown>)
    case 'Set':
      return [...(value as Set<unknown>)]
    case 'ArrayBuffer':
    case 'SharedArrayBuffer':
      return hex(new Uint8Array(value as ArrayBuffer))
  }
  if (!ArrayBuffer.isView(value)) return value
  if (isBytes(value) || tagOf(value) === 'DataView') {
    return hex(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  }
  return Array.from(value as unknown as ArrayLike<unknown>)
}

/** `Error`, `Map` and so on. Unlike `instanceof`, it also works for objects of another realm. */
function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1)
}

function hex({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('hex')
}

function plainError(error: Error): object {
  const { name, message, cause } = error
  return Object.assign({ name, message }, cause !== undefined && { cause }, error)
}

function plainMap(map: Map<unknown, unknown>): object {
  const isPlain = [...map.keys()].every((key) => typeof key === 'string' || typeof key === 'number')
  return isPlain ? Object.fromEntries(map) : [...map]
}
