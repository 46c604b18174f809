/** The buckets of a histogram that is filled by a program. */
export interface Buckets {
  /**
   * The upper bounds of all slots but the last one, which has no bound. They are in the unit of the metric, and in the
   * order of the program's slots.
   */
  readonly boundaries: readonly number[]
}

/**
 * Buckets by powers of two: slot 0 has 0 and 1, slot 1 has 2 and 3, and slot `n` the values from `2**n` up to, but not
 * including, `2**(n + 1)`. This is what `log2l` of BCC and libbpf-tools computes. The last slot also contains all
 * larger values.
 *
 * @param slots - how many there are
 * @param options - `scale`: what a value is multiplied by; 1e-6 turns microseconds into seconds
 */
export function log2Buckets(slots: number, { scale = 1 }: { scale?: number } = {}): Buckets {
  if (!Number.isInteger(slots) || slots < 1 || slots > 64)
    throw new RangeError(`log2Buckets: ${slots} is not a number of slots from 1 to 64`)
  return { boundaries: Array.from({ length: slots - 1 }, (_, i) => scaled(2 ** (i + 1), scale)) }
}

/**
 * Buckets with bounds of your own: slot 0 has the values up to the first bound, and the last slot has those above the
 * last bound. So there is one more slot than there are bounds.
 */
export function explicitBuckets(boundaries: readonly number[]): Buckets {
  if (boundaries.some((bound, i) => !Number.isFinite(bound) || (i > 0 && bound <= boundaries[i - 1]!)))
    throw new RangeError(`explicitBuckets: ${boundaries.join(', ')} do not grow`)
  return { boundaries: [...boundaries] }
}

/** Without the digits that binary fractions add: 2 * 1e-6 is shown as 0.000002. */
function scaled(value: number, scale: number): number {
  return Number((value * scale).toPrecision(12))
}
