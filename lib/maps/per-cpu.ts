import { inspect } from 'node:util'
import { isBytes } from '../btf/bytes.js'

/**
 * The sum of values of the same type: numbers and bigints are added, structs and arrays member by member. What cannot be added (strings, bytes,
 * booleans) is that of the first value whose own isn't empty: of the first CPU that has one.
 *
 * @example
 * sumValues([{ packets: 1n, name: '' }, { packets: 2n, name: 'eth0' }])  // { packets: 3n, name: 'eth0' }
 *
 * @throws RangeError when there are no values
 */
export function sumValues<T>(values: readonly T[]): T {
  if (values.length === 0) throw new RangeError('there are no values to sum')
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
  throw new TypeError(`${inspect(first)} cannot be summed`)
}
