// Measures how costs grow: with the size of records, the number of rings, programs, members and so on. Each trial is a
// process of its own, and the sides take turns. Figures are CPU times, and the least of all trials counts, unless a curve
// chooses another: other work on the machine only ever adds to it.
import { spawnSync } from 'node:child_process'
import { Failure, say } from '../scripts/run.mjs'
import { folder } from './build.mjs'

export const curveNames = ['records', 'members', 'rings', 'wakeups', 'entries', 'programs', 'links']
/** Those whose ratios to C are steady enough to be checked. */
export const checkedNames = ['records', 'programs', 'links']

/**
 * Returns `{ name, title, x, unit, isComparable, points, series }`: `series` has a list with a figure or null for each
 * point by name, among them `C`.
 */
export async function measureCurve(name, { isQuick, trials, producerCpu, consumerCpu }) {
  say(`bench: curve ${name}`)
  const curve = await import(`./curves/${name}.mjs`)
  const points = isQuick ? curve.quick : curve.points
  const all = {}
  for (let i = 0; i < trials; i++) {
    for (const [at, point] of points.entries()) {
      const path = `${folder}/${curve.object(point)}.bpf.o`
      const args = curve.args(point, { isQuick, producerCpu }).map(String)
      const node = [process.execPath, 'bench/trial.mjs']
      const sides = [
        [`${folder}/curves`, name, path, ...args],
        [...node, `curves/${name}`, path, ...args],
        ...(curve.floor ? [[...node, `curves/${name}:floor`, path, ...args]] : []),
      ]
      for (const side of sides) {
        const { sum, ...figures } = trial(side, consumerCpu)
        for (const [key, figure] of Object.entries(figures)) {
          all[key] ??= points.map(() => [])
          all[key][at].push(figure)
        }
      }
    }
  }
  const { title, x, unit, isComparable = true, choose = (values) => Math.min(...values) } = curve
  const series = {}
  for (const [key, lists] of Object.entries(all))
    series[key] = lists.map((list) => (list.length === 0 ? null : choose(list)))
  return { name, title, x, unit, isComparable, points, series }
}

function trial(command, cpu) {
  const [program, ...args] = cpu >= 0 ? ['taskset', '-c', String(cpu), ...command] : command
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (error) throw new Failure(`${command.join(' ')}: ${error.message}`)
  if (status !== 0)
    throw new Failure(`${command.join(' ')} ended with ${signal ?? `status ${status}`}\n${stderr}${stdout}`)
  return JSON.parse(stdout.trimEnd().split('\n').at(-1))
}

/** The ratio to C at each point, by `curve point series`. */
export function ratios(curves) {
  const result = {}
  for (const { name, points, series, isComparable } of curves) {
    if (!isComparable) continue
    for (const [key, figures] of Object.entries(series)) {
      if (key === 'C') continue
      for (const [i, figure] of figures.entries()) {
        if (figure !== null) result[`${name} ${points[i]} ${key}`] = round(figure / series.C[i])
      }
    }
  }
  return result
}

export const round = (value) => Number(value.toPrecision(3))

/** The curve as text: a line for each point, a column for each series, with its ratio to C. */
export function curveTable({ title, x, unit, points, series, isComparable }) {
  const keys = Object.keys(series)
  const cell = (key, i) => {
    const figure = series[key][i]
    if (figure === null) return ''
    const ratio = key === 'C' || !isComparable ? '' : ` (${(figure / series.C[i]).toFixed(2)})`
    return `${round(figure)}${ratio}`
  }
  const lines = [
    [x, ...keys],
    ...points.map((point, i) => [String(point), ...keys.map((key) => cell(key, i))]),
  ]
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)))
  const text = lines.map((line) => line.map((one, i) => one.padStart(widths[i])).join('  '))
  return `${title}, ${unit}${isComparable ? ' (ratio to C)' : ''}\n${text.join('\n')}`
}
