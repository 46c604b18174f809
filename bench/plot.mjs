// Draws a curve as an SVG, with logarithmic axes: what grows in proportion is a straight line that rises by one in one.
import { mkdirSync, writeFileSync } from 'node:fs'

const folder = 'docs/plots'
const width = 720
const height = 360
const box = { left: 64, right: 560, top: 44, bottom: 310 }
// Readable on a light and on a dark page.
const colors = { C: '#888888' }
const palette = ['#2f7ed8', '#d9822b', '#2f9e5b', '#b0489c']

export function writePlot(curve) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/${curve.name}.svg`, svgOf(curve))
}

function svgOf({ title, x, unit, points, series }) {
  const figures = Object.values(series)
    .flat()
    .filter((figure) => figure !== null)
  const xAt = scale(points, box.left, box.right)
  const yAt = scale(figures, box.bottom, box.top, 1.15)
  const labels = spread(
    Object.entries(series).map(([name, values]) => ({
      name,
      y: yAt(values.findLast((value) => value !== null)),
    })),
  )
  const parts = [
    text(box.left, 20, title, 'font-size="15" font-weight="600"'),
    text(box.left, 36, unit, 'font-size="12" opacity="0.8"'),
    text((box.left + box.right) / 2, height - 12, x, 'font-size="12" text-anchor="middle" opacity="0.8"'),
    ...ticks(figures).map((value) => {
      const y = fixed(yAt(value))
      return `<path d="M${box.left} ${y}H${box.right}" stroke="currentColor" opacity="0.15"/>${text(box.left - 8, y + 4, short(value), 'font-size="11" text-anchor="end"')}`
    }),
    ...points
      .filter(isApart(xAt))
      .map((point) =>
        text(fixed(xAt(point)), box.bottom + 18, short(point), 'font-size="11" text-anchor="middle"'),
      ),
  ]
  for (const [i, [name, values]] of Object.entries(series).entries()) {
    const color = colors[name] ?? palette[(i - 1) % palette.length]
    const places = points.flatMap((point, at) =>
      values[at] === null ? [] : [[fixed(xAt(point)), fixed(yAt(values[at]))]],
    )
    parts.push(
      `<path d="M${places.map((place) => place.join(' ')).join('L')}" fill="none" stroke="${color}" stroke-width="2"/>`,
      ...places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`),
      text(
        box.right + 10,
        fixed(labels.get(name)) + 4,
        name,
        `font-size="12" fill="${color}" font-weight="600"`,
      ),
    )
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${quoted(title)}" font-family="system-ui, sans-serif" fill="currentColor">
<style>svg { color: #222; background: #fff } @media (prefers-color-scheme: dark) { svg { color: #ddd; background: #1b1b1f } }</style>
${parts.join('\n')}
</svg>
`
}

/** A logarithmic scale from the least to the greatest value. */
function scale(values, from, to, margin = 1) {
  const low = Math.log(Math.min(...values) / margin)
  const high = Math.log(Math.max(...values) * margin)
  return (value) =>
    high === low ? (from + to) / 2 : from + ((Math.log(value) - low) / (high - low)) * (to - from)
}

/** 1, 2, 5, 10, 20 and so on within the values, or only the powers of ten if there are many. */
function ticks(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const all = (steps) => {
    const found = []
    for (let power = -3; power < 9; power++) for (const step of steps) found.push(step * 10 ** power)
    return found.filter((value) => value >= low / 1.15 && value <= high * 1.15)
  }
  const fine = all([1, 2, 5])
  return fine.length <= 9 ? fine : all([1])
}

/** Keeps the points whose numbers have room beside the one before. */
function isApart(xAt) {
  let last = Number.NEGATIVE_INFINITY
  return (point) => {
    if (xAt(point) - last < 28) return false
    last = xAt(point)
    return true
  }
}

/** Moves labels apart that would cover each other. */
function spread(labels) {
  const sorted = labels.toSorted((a, b) => a.y - b.y)
  for (let i = 1; i < sorted.length; i++) sorted[i].y = Math.max(sorted[i].y, sorted[i - 1].y + 15)
  return new Map(sorted.map(({ name, y }) => [name, y]))
}

const fixed = (value) => Number(value.toFixed(1))
const short = (value) =>
  value >= 1000 ? `${Number((value / 1000).toPrecision(3))}k` : String(Number(value.toPrecision(3)))
const quoted = (value) => value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
const text = (x, y, value, more) => `<text x="${x}" y="${y}" ${more}>${quoted(String(value))}</text>`
