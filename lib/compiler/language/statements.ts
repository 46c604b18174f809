import type { u32 } from './types.js'
import { word } from './word.js'

/** A value on the stack whose bytes are all 0: `const event = zero<Event>()`. */
export const zero: <T>() => T = word('zero')

/**
 * The numbers from 0 to `rounds - 1`, for `for (const i of range(10))`.
 *
 * @param rounds - 8192 at most if it is a constant. Otherwise 8 million at most, and the kernel counts them (Linux 6.4)
 * @param most - a constant: the most rounds there are, whatever `rounds` is. With it, every kernel takes a `rounds` that is not constant
 */
export const range: (rounds: number, most?: number) => Iterable<u32> = word('range')
