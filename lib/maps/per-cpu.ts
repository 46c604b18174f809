import { inspect } from 'node:util'
import { isBytes } from '../btf/bytes.js'

/**
 * Adds values of the same type. Numbers and bigints are added, structs and arrays member by member. Strings, bytes and
 * booleans cannot be added: the result has the first one that is not empty.
 *
 * @example
 * sumValues([{ packets: 1n, name: '' }, { packets: 2n, name: 'eth0' }])  // { packets: 3n, name: 'eth0' }
 *
 * @throws RangeError if there are no values
 */
export function sumValues<T>(values: readonly T[]): T {
  if (values.length === 0) throw new RangeError('there are no values to add')
  return sum(values) as T
}

function sum(values: readonly unknown[]): unknown {
  const [first] = values
  if (typeof first === 'number') return (values as number[]).reduce((a, b) => a + b, 0)
  if (typeof first === 'bigint') return (values as bigint[]).reduce((a, b) => a + b, 0n)
  if (Array.isArray(first)) return first.map((_, i) => sum(values.map((value) => (value as unknown[])[i])))
  if (typeof first === 'string' || typeof first === 'boolean') return values.find(Boolean) ?? first
  if (isBytes(first)) {
    return (values as Uint8Array[]).find((bytes) => bytes.some((byte) => byte !== 0)) ?? first
  }
  if (typeof first === 'object' && first !== null) {
    return Object.fromEntries(
      Object.keys(first).map((name) => [
        name,
        sum(values.map((value) => (value as Record<string, unknown>)[name])),
      ]),
    )
  }
  throw new TypeError(`${inspect(first)} cannot be added`)
}
