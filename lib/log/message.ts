import { jsonReplacer } from '../btf/json.js'
import { numberText, printf } from '../format/printf.js'

/**
 * Puts values into a printf format.
 *
 * @returns the text, and how many of the values are in it
 */
export function message(format: string, values: readonly unknown[]): { text: string; used: number } {
  let used = 0
  const text = printf(format, (conversion, index) => {
    used = index + 1
    const value = values[index]
    if (typeof value === 'string') return value
    if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean') {
      return conversion.kind === 's' ? String(value) : numberText(conversion, BigInt(value))
    }
    return JSON.stringify(value, jsonReplacer) ?? '?'
  })
  return { text, used }
}
