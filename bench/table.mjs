import { median } from './measure.mjs'

/** One row per metric, with medians and their range. `against` is the column that ratios refer to. */
export function table(rows, results, compared, against) {
  const { [against]: baseline = {}, 'libbpf-node': ours = {}, ...contestants } = results.columns
  const more = [
    ...Object.entries(contestants).map(([name, figures]) => ({ name, figures, baseline })),
    // Results of other machines and days are compared with C in the same results.
    ...compared.flatMap(({ file, columns: { [against]: theirs = baseline, ...columns } }) =>
      Object.entries(columns).map(([name, figures]) => ({
        name: name in results.columns ? `${name} (${file})` : name,
        figures,
        baseline: theirs,
      })),
    ),
  ].filter(({ figures }) => rows.some((row) => row.key in figures))
  const head = [
    '',
    'unit',
    against,
    'min..max',
    'libbpf-node',
    'min..max',
    'ratio',
    'bar',
    '',
    ...more.flatMap(({ name }) => [name, 'ratio']),
  ]
  const lines = rows.map((row) => {
    const figures = ours[row.key]
    const ratio = ratioOf(figures, baseline[row.key])
    return [
      row.title,
      row.unit,
      show(baseline[row.key]),
      range(baseline[row.key]),
      show(figures),
      range(figures),
      ratio === undefined ? '' : ratio.toFixed(2),
      barOf(row),
      verdict(row, figures, ratio),
      ...more.flatMap((column) => {
        const ratio = ratioOf(column.figures[row.key], column.baseline[row.key])
        return [show(column.figures[row.key]), ratio === undefined ? '' : ratio.toFixed(2)]
      }),
    ]
  })
  return layOut([head, ...lines])
}

const middle = (figures) => median([...figures])
const range = (figures) =>
  figures === undefined ? '' : `${short(Math.min(...figures))}..${short(Math.max(...figures))}`
const show = (figures) => (figures === undefined ? '' : short(middle(figures)))

/** The median of the ratios of neighboring trials, which removes what slowed down both for a while. */
function ratioOf(figures, baseline) {
  if (figures === undefined || baseline === undefined) return undefined
  if (figures.length !== baseline.length) return middle(figures) / middle(baseline)
  return median(figures.map((figure, i) => figure / baseline[i]))
}

function barOf({ ratio, atMost, more, unit, baseline }) {
  if (ratio !== undefined) return `${more ? '>=' : '<='} ${Number(ratio.toFixed(2))} x ${baseline}`
  return atMost === undefined ? '' : `<= ${atMost} ${unit}`
}

function verdict({ ratio: bar, atMost, more }, figures, ratio) {
  if (figures === undefined || (bar === undefined && atMost === undefined)) return ''
  const met = bar === undefined ? middle(figures) <= atMost : more ? ratio >= bar : ratio <= bar
  return met ? 'met' : 'NOT MET'
}

/** Rounds to three digits, but keeps all digits before the point. */
function short(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`
  if (value >= 100) return value.toFixed(0)
  return value.toPrecision(3)
}

function layOut(lines) {
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)))
  const isText = (i) => i === 0 || i === 1 || i === 8
  return lines
    .map((line) =>
      line
        .map((cell, i) => (isText(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
