import { describe, expect, it } from 'vitest'
import { bar, sparkline } from '../../lib/pictures/bars.js'
import { heatMap } from '../../lib/pictures/heat-map.js'
import { histogram, linearBuckets, log2Buckets } from '../../lib/pictures/histogram.js'
import { styleOf } from '../../lib/pictures/style.js'

const lines = (picture: string): string[] => picture.split('\n').slice(0, -1)

describe('bar', () => {
  it('grows by eighths of a character', () => {
    expect([0, 1 / 32, 0.5, 9 / 16, 1].map((share) => bar(share, 4, true))).toEqual([
      '',
      '▏',
      '██',
      '██▎',
      '████',
    ])
  })

  it('shows something for every share above 0, and nothing for 0', () => {
    for (const unicode of [true, false]) {
      expect(bar(1e-9, 10, unicode)).toHaveLength(1)
      expect(bar(0, 10, unicode)).toBe('')
    }
  })

  it('is never longer than its width', () => {
    expect(bar(7, 5, false)).toBe('#####')
    expect(bar(Number.NaN, 5, true)).toBe('')
    expect(bar(1, 0, false)).toBe('')
  })
})

describe('sparkline', () => {
  it('has a character for each value', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█')
    expect(sparkline([0n, 7n], { unicode: false })).toBe('_@')
  })

  it('shows the last values if there are too many', () => {
    expect(sparkline([9, 9, 0, 9], { width: 2 })).toBe('▁█')
    expect(sparkline([1], { width: 0 })).toBe('')
  })

  it('leaves a gap for what is not a number, and accepts limits', () => {
    expect(sparkline([0, Number.NaN, 50], { max: 100 })).toBe('▁ ▅')
    expect(sparkline([5, 5], { min: 5 })).toBe('▁▁')
    expect(sparkline([-1, 0, 1])).toBe('▁▅█')
  })
})

describe('histogram', () => {
  it('draws powers of two with the ranges that bpftrace prints', () => {
    const counts = Array<number>(12).fill(0)
    counts[1] = 1
    counts[2] = 4
    counts[11] = 2
    const drawn = lines(histogram(log2Buckets(counts), { width: 40, unicode: false }))
    expect(drawn[0]).toMatch(/^\[1\] +1 \|#+ +\|$/)
    expect(drawn[1]).toMatch(/^\[2, 4\) +4 \|#+\|$/)
    expect(drawn.at(-1)).toMatch(/^\[1K, 2K\) +2 \|#+ +\|$/)
    expect(drawn).toHaveLength(11)
    expect(drawn.map(({ length }) => length)).toEqual(Array(11).fill(40))
  })

  it('draws linear buckets with open ends', () => {
    const buckets = linearBuckets([1n, 2n, 0n, 3n], { min: 10, step: 5 })
    const drawn = lines(histogram(buckets, { width: 30 }))
    expect(drawn.map((line) => line.slice(0, line.indexOf(')') + 1))).toEqual([
      '(..., 10)',
      '[10, 15)',
      '[15, 20)',
      '[20, ...)',
    ])
  })

  it('leaves out empty buckets at both ends, and is empty without counts', () => {
    expect(lines(histogram(log2Buckets([0, 0, 5, 0, 0])))).toHaveLength(1)
    expect(histogram(log2Buckets([0, 0]))).toBe('')
    expect(histogram([])).toBe('')
  })

  it('formats ends as told, and keeps bars visible in a narrow terminal', () => {
    const format = (end: number | bigint): string => `${end} ns`
    const [line = ''] = lines(histogram(log2Buckets([0, 0, 0, 1]), { width: 1, format, unicode: false }))
    expect(line).toBe('[4 ns, 8 ns)  1 |########|')
  })

  it('prints sizes of 64 bits exactly', () => {
    const slots = Array<number>(65).fill(0)
    slots[64] = 1
    expect(histogram(log2Buckets(slots))).toMatch(/^\[8E, 16E\) /)
  })
})

describe('heatMap', () => {
  it('puts the first bucket at the bottom and the oldest column to the left', () => {
    const drawn = heatMap(
      [
        [4, 0],
        [0, 1],
      ],
      { labels: ['low', 'high'] },
    )
    expect(drawn).toBe('high | ▒|\n low |█ |\n')
  })

  it('shows the last columns that fit, and ASCII characters if wanted', () => {
    const drawn = heatMap([...Array(50).fill([9]), [1]], { width: 13, unicode: false })
    expect(drawn).toBe(' |@@@@@@@@@-|\n')
  })

  it('colors cells by their background, and resets the color at the end of a line', () => {
    const drawn = heatMap([[1], [0]], { color: true })
    expect(drawn).toBe(' |\x1b[48;5;160m \x1b[0m \x1b[0m|\n')
  })

  it('is empty without counts', () => {
    expect(heatMap([])).toBe('')
    expect(heatMap([[0, 0n]])).toBe('')
  })
})

describe('styleOf', () => {
  const terminal = { isTTY: true, columns: 100 } as const

  it('uses colors on a terminal, unless NO_COLOR is set', () => {
    expect(styleOf(terminal, { LANG: 'C.UTF-8' })).toEqual({ width: 100, unicode: true, color: true })
    expect(styleOf(terminal, { NO_COLOR: '1' }).color).toBe(false)
    expect(styleOf(terminal, { TERM: 'dumb' }).color).toBe(false)
    expect(styleOf({ isTTY: false, columns: 0 }, {})).toEqual({ width: 80, unicode: false, color: false })
  })

  it('uses Unicode if the locale that counts has it', () => {
    expect(styleOf(terminal, { LC_ALL: 'C', LANG: 'en_US.UTF-8' }).unicode).toBe(false)
    expect(styleOf(terminal, { LC_ALL: '', LC_CTYPE: 'de_DE.utf8', LANG: 'C' }).unicode).toBe(true)
  })
})
