const shades = { unicode: ' ░▒▓█', plain: ' .:-=+*#%@' }
/** From yellow to red, in the 256 colors of terminals; they can be told apart on a light and on a dark background. */
const heat = [229, 222, 215, 208, 202, 196, 160]

export interface HeatMapOptions {
  /** The text before each row, from the lowest row up. */
  labels?: readonly string[]
  /** Characters in a line; 80 by default. Only the last columns that fit are shown. */
  width?: number
  unicode?: boolean
  color?: boolean
}

/**
 * Draws how histograms change over time: a column for each of them, the oldest first, and in it a row for each bucket,
 * the first one at the bottom. The darker a cell, the larger its count. Rows that are empty everywhere are left out at
 * both ends.
 */
export function heatMap(
  columns: readonly (readonly (number | bigint)[])[],
  options: HeatMapOptions = {},
): string {
  const { labels = [], width = 80, unicode = true, color = false } = options
  const labelWidth = labels.reduce((most, { length }) => Math.max(most, length), 0)
  const room = Math.max(width - labelWidth - 3, 8)
  const shown = columns.slice(-room).map((counts) => counts.map(Number))
  const rows = shown.reduce((most, { length }) => Math.max(most, length), 0)
  const used = Array.from({ length: rows }, (_, row) => row).filter((row) =>
    shown.some((counts) => (counts[row] ?? 0) > 0),
  )
  const [lowest, highest] = [used[0], used.at(-1)]
  if (lowest === undefined || highest === undefined) return ''
  const most = shown.flat().reduce((max, count) => Math.max(max, count), 0)
  const cell = (count: number): string => (color ? hot(count / most) : shade(count / most, unicode))
  const lines: string[] = []
  for (let row = highest; row >= lowest; row--) {
    const cells = shown.map((counts) => cell(counts[row] ?? 0)).join('')
    lines.push(`${(labels[row] ?? '').padStart(labelWidth)} |${cells}${color ? '\x1b[0m' : ''}|\n`)
  }
  return lines.join('')
}

/** Which of `steps` stands for a share; 0 only for nothing. The square root makes small counts visible. */
const step = (share: number, steps: number): number =>
  share > 0 ? Math.max(1, Math.round(Math.sqrt(share) * steps)) : 0

function shade(share: number, unicode: boolean): string {
  const characters = shades[unicode ? 'unicode' : 'plain']
  return characters[step(share, characters.length - 1)]!
}

function hot(share: number): string {
  const at = step(share, heat.length)
  return at === 0 ? '\x1b[0m ' : `\x1b[48;5;${heat[at - 1]}m `
}
