import type { u32 } from './types.js'
import { word } from './word.js'

/** A value on the stack whose bytes are all 0: `const event = zero<Event>()`. */
export const zero: <T>() => T = word('zero')

/** The numbers from 0 to `rounds - 1`, for `for (const i of range(10))`. @param rounds - a constant */
export const range: (rounds: number) => Iterable<u32> = word('range')
