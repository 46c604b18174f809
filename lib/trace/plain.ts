import { functionName, isFunctionRecord } from './function-names.js'

/**
 * Replaces 64-bit integers by numbers where these are exact, and functions by their names, also in members of objects.
 */
export function plain(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  if (Array.isArray(value)) return value.map(plain)
  if (isFunctionRecord(value)) return functionName(value)
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
}
