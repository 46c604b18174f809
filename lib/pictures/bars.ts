/** A horizontal bar that takes `share` (0 to 1) of `width` characters. Any share above 0 is visible. */
export function bar(share: number, width: number, unicode: boolean): string {
  const part = Math.min(Math.max(share || 0, 0), 1) * Math.max(width, 0)
  if (!unicode) {
    const whole = Math.round(part)
    return '#'.repeat(part > 0 ? Math.max(whole, Math.min(1, width)) : 0)
  }
  const eighths = Math.round(part * 8)
  const shown = part > 0 ? Math.max(eighths, 1) : 0
  return '█'.repeat(shown >> 3) + (shown & 7 ? '▏▎▍▌▋▊▉'[(shown & 7) - 1]! : '')
}

const levels = { unicode: '▁▂▃▄▅▆▇█', plain: '_.-=+*#@' }

export interface SparklineOptions {
  /** Only the last values that fit are shown. */
  width?: number
  unicode?: boolean
  /** The value of the lowest character; 0 by default, or the least value if that is negative. */
  min?: number
  /** The value of the highest character; the greatest value by default. */
  max?: number
}

/**
 * A line with a character for each value, whose height shows the value. A value that is not a number becomes a space.
 */
export function sparkline(values: readonly (number | bigint)[], options: SparklineOptions = {}): string {
  const { width = values.length, unicode = true } = options
  const shown = width > 0 ? values.slice(-width).map(Number) : []
  const known = shown.filter((value) => !Number.isNaN(value))
  const min = options.min ?? known.reduce((least, value) => Math.min(least, value), 0)
  const max = options.max ?? known.reduce((most, value) => Math.max(most, value), min)
  const characters = levels[unicode ? 'unicode' : 'plain']
  return shown
    .map((value) => {
      if (Number.isNaN(value)) return ' '
      const share = max > min ? (value - min) / (max - min) : 0
      return characters[Math.min(Math.max(Math.round(share * 7), 0), 7)]
    })
    .join('')
}
