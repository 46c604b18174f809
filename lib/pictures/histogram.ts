import { bar } from './bars.js'

type Count = number | bigint

/** How many values there were from `from` up to, but not including, `to`. Both ends can be infinite. */
export interface Bucket {
  readonly from: Count
  readonly to: Count
  readonly count: Count
}

/**
 * The buckets of a histogram of powers of two. A slot's number is the number of bits of its values: slot 0 counts the
 * value 0, slot 1 the value 1, slot 2 the values 2 and 3, and slot i those from 2^(i-1) to 2^i - 1.
 */
export function log2Buckets(counts: readonly Count[]): Bucket[] {
  return counts.map((count, i) => ({ from: i === 0 ? 0 : 2 ** (i - 1), to: 2 ** i, count }))
}

/**
 * The buckets of a linear histogram: the first slot counts values below `min`, the last one those that are too large
 * for the others, and each one between them covers `step` values.
 */
export function linearBuckets(
  counts: readonly Count[],
  { min, step }: { min: number; step: number },
): Bucket[] {
  const last = counts.length - 1
  return counts.map((count, i) => ({
    from: i === 0 ? Number.NEGATIVE_INFINITY : min + (i - 1) * step,
    to: i === last ? Number.POSITIVE_INFINITY : min + i * step,
    count,
  }))
}

export interface HistogramOptions {
  /** Characters in a line; 80 by default. */
  width?: number
  unicode?: boolean
  /** The text of an end of a bucket; by default a number, with K, M, G and so on for multiples of 1024. */
  format?: (end: Count) => string
}

/**
 * Draws buckets, one in a line: its range, its count, and a bar. The longest bar belongs to the largest count. Empty
 * buckets before the first and after the last one with a count are left out.
 */
export function histogram(buckets: readonly Bucket[], options: HistogramOptions = {}): string {
  const { width = 80, unicode = true, format = shortNumber } = options
  const hasCount = ({ count }: Bucket): boolean => Number(count) > 0
  const first = buckets.findIndex(hasCount)
  if (first < 0) return ''
  const shown = buckets.slice(first, buckets.findLastIndex(hasCount) + 1)
  const ranges = shown.map((bucket) => rangeOf(bucket, format))
  const counts = shown.map(({ count }) => String(count))
  const rangeWidth = widest(ranges)
  const countWidth = widest(counts)
  const most = shown.reduce((max, { count }) => Math.max(max, Number(count)), 0)
  // Two spaces between the columns, and the frame of the bar.
  const barWidth = Math.max(width - rangeWidth - countWidth - 5, 8)
  return shown
    .map((bucket, i) => {
      const drawn = bar(Number(bucket.count) / most, barWidth, unicode).padEnd(barWidth)
      return `${ranges[i]!.padEnd(rangeWidth)}  ${counts[i]!.padStart(countWidth)} |${drawn}|\n`
    })
    .join('')
}

const widest = (texts: readonly string[]): number =>
  texts.reduce((most, { length }) => Math.max(most, length), 0)

/** A bucket's range as text: `[16, 32)`. */
export function rangeOf(
  { from, to }: Pick<Bucket, 'from' | 'to'>,
  format: (end: Count) => string = shortNumber,
): string {
  if (from === Number.NEGATIVE_INFINITY) return `(..., ${format(to)})`
  if (to === Number.POSITIVE_INFINITY) return `[${format(from)}, ...)`
  const isOneInteger = Number.isInteger(Number(from)) && Number(to) === Number(from) + 1
  return isOneInteger ? `[${format(from)}]` : `[${format(from)}, ${format(to)})`
}

const suffixes = ['', 'K', 'M', 'G', 'T', 'P', 'E']

/** Only multiples of 1024 are shortened, so the text is exact: 2048 is `2K`, and 2000 stays `2000`. */
function shortNumber(value: Count): string {
  let number = Number(value)
  if (Number.isInteger(number) && !Number.isSafeInteger(number) && !isPowerOfTwo(number)) return String(value)
  let power = 0
  while (number !== 0 && number % 1024 === 0 && power < suffixes.length - 1) {
    number /= 1024
    power++
  }
  return `${number}${suffixes[power]}`
}

const isPowerOfTwo = (value: number): boolean => Number.isInteger(Math.log2(Math.abs(value)))
