// npm run bench: compares libbpf-node with C programs that use the same libbpf. Each trial is a process of its own,
// and the sides take turns, so that other load on the machine affects both.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { basename, dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { Failure, root, say } from '../scripts/run.mjs'
import { build, folder } from './build.mjs'
import { checkedNames, curveNames, curveTable, measureCurve, ratios } from './curves.mjs'
import { others } from './others/others.mjs'
import { writePlot } from './plot.mjs'
import { table } from './table.mjs'

const help = `Usage: npm run bench -- [--quick] [--trials N] [--json FILE] [--compare FILE]... [CASE...]

  CASE         run only this case or curve; a part of its name is enough. 'twins' compares the kernel sides of the
               examples in TypeScript with those in C
  --quick      run fewer and shorter trials, to find gross errors
  --trials     how often each side runs a case
  --json       the file for the results; ${folder}/results.json by default
  --compare    add columns with the results in another file, relative to the results of C in that file if it has any
  --no-others  leave out libbpf-rs, Aya, BCC and the npm package bpf
  --plots      draw the curves into docs/plots/
  --check      run only a few points of each curve, and fail if a ratio to C is 30 % worse than in bench/ratios.json
  --record     run the same points, and write their ratios to bench/ratios.json
`

const ratiosFile = 'bench/ratios.json'
/** How much worse a ratio may become. */
const tolerance = 1.3

/** In the order of the table. */
const names = [
  'parallel',
  'drain',
  'objects',
  'latency',
  'cpu',
  'bursts',
  'map',
  'dump',
  'load',
  'timer',
  'xdp',
  'lpm',
  'trace',
  'profile',
  'import',
  'start',
  'refused',
  'codec',
  'emulator',
]

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    quick: { type: 'boolean', default: false },
    trials: { type: 'string' },
    json: { type: 'string', default: `${folder}/results.json` },
    compare: { type: 'string', multiple: true, default: [] },
    others: { type: 'boolean', default: true },
    plots: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

/** The last two CPUs that we may use, because the first ones usually handle the interrupts. */
const [producerCpu, consumerCpu] = (() => {
  const list = readFileSync('/proc/self/status', 'utf8').match(/Cpus_allowed_list:\s*(.*)/)[1]
  const allowed = list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
  const hasTaskset = spawnSync('taskset', ['--version']).status === 0
  return allowed.length > 1 && hasTaskset ? allowed.slice(-2) : [-1, -1]
})()

/** Runs one trial; its last line is JSON. */
function trial(command, pin) {
  const [program, ...args] =
    pin && consumerCpu >= 0 ? ['taskset', '-c', String(consumerCpu), ...command] : command
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (error) throw new Failure(`${command.join(' ')}: ${error.message}`)
  if (status !== 0)
    throw new Failure(`${command.join(' ')} ended with ${signal ?? `status ${status}`}\n${stderr}${stdout}`)
  return JSON.parse(stdout.trimEnd().split('\n').at(-1))
}

/** Contestants may fail, but neither libbpf-node nor C. */
function attempt(side, run) {
  if (side === 'libbpf-node' || side === 'C') return run()
  try {
    return run()
  } catch (error) {
    say(`bench: ${side} is left out: ${error.message.trim().split('\n').at(-1)}`)
  }
}

/** Runs all trials of a case, with the sides in turn. Returns the figures by column and 'case.metric'. */
function measure(name, definition, contestants) {
  const { bpf, c = name, baseline = 'C', pin = true, under = [] } = definition
  const object = `${folder}/${bpf}.bpf.o`
  const args = definition.args({ quick: options.quick, producerCpu }).map(String)
  const sides = { 'libbpf-node': [...under, process.execPath, 'bench/trial.mjs', name, object, ...args] }
  if (c !== null) sides.C = [...under, `${folder}/${c}`, object, ...args]
  for (const { name: column, cases, command } of contestants) {
    if (cases.includes(name)) sides[column] = [...command, name, ...args]
  }
  const columns = Object.fromEntries([...Object.keys(sides), baseline].map((side) => [side, {}]))
  const keep = (side, metric, figure) => {
    if (figure === undefined) return
    columns[side][`${name}.${metric}`] ??= []
    columns[side][`${name}.${metric}`].push(figure)
  }
  const count = Number(options.trials ?? (options.quick ? 3 : (definition.trials ?? 9)))
  let sum
  for (let i = 0; i < count; i++) {
    for (const [side, command] of Object.entries(sides)) {
      const figures = attempt(side, () => trial(command, pin))
      if (figures === undefined) {
        delete sides[side]
        delete columns[side]
        continue
      }
      // All sides must have read the same events or entries, and all of them.
      sum ??= figures.sum
      if (figures.sum !== sum)
        throw new Failure(`${name}: ${side} got the sum ${figures.sum}, expected ${sum}`)
      for (const metric of Object.keys(definition.metrics)) {
        keep(side, metric, figures[metric])
        // Measured in the same process.
        keep(baseline, metric, figures.baseline?.[metric])
      }
    }
  }
  return columns
}

async function main() {
  if (options.help) return process.stdout.write(help)
  process.chdir(root)
  if (positionals.length === 1 && positionals[0] === 'twins')
    return (await import('./twins.mjs')).compareTwins()
  const isChosen = (name) => positionals.length === 0 || positionals.some((part) => name.includes(part))
  const isGate = options.check || options.record
  const chosen = isGate ? [] : names.filter(isChosen)
  const chosenCurves = (isGate ? checkedNames : curveNames).filter(isChosen)
  if (chosen.length + chosenCurves.length === 0)
    throw new Failure(`unknown case; expected ${[...names, ...curveNames].join(', ')}`)
  await build()
  if (isGate) return gate(chosenCurves)
  const contestants = options.others ? await others(chosen, folder) : []

  const { libbpfVersion } = await import('libbpf-node')
  const results = {
    date: new Date().toISOString(),
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    machine: {
      cpu: cpus()[0].model,
      cpus: availableParallelism(),
      memory: totalmem(),
      kernel: release(),
      arch: process.arch,
      // The load at the start. If it is high, the figures are rough.
      load: loadavg()[0],
    },
    versions: {
      'libbpf-node': JSON.parse(readFileSync('package.json', 'utf8')).version,
      libbpf: libbpfVersion(),
      node: process.versions.node,
      ...Object.fromEntries(contestants.map(({ name, version }) => [name, version])),
    },
    columns: {},
  }
  const rows = []
  for (const name of chosen) {
    say(`bench: ${name}`)
    const definition = await import(`./cases/${name}.mjs`)
    for (const [metric, row] of Object.entries(definition.metrics))
      rows.push({ key: `${name}.${metric}`, baseline: definition.baseline ?? 'C', ...row })
    for (const [column, figures] of Object.entries(measure(name, definition, contestants))) {
      results.columns[column] = { ...results.columns[column], ...figures }
    }
  }
  results.curves = []
  for (const name of chosenCurves) results.curves.push(await measureCurve(name, curveOptions(options.quick)))
  mkdirSync(dirname(options.json), { recursive: true })
  writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
  const compared = options.compare.map((file) => ({
    file: basename(file, '.json'),
    ...JSON.parse(readFileSync(file, 'utf8')),
  }))
  const { machine, versions } = results
  console.log(
    `${results.date}, ${machine.cpus} x ${machine.cpu}, Linux ${machine.kernel}, load ${machine.load.toFixed(1)}`,
  )
  console.log(
    `${Object.entries(versions)
      .map(([what, version]) => `${what} ${version}`)
      .join(', ')}\n`,
  )
  for (const baseline of new Set(rows.map((row) => row.baseline))) {
    const section = rows.filter((row) => row.baseline === baseline)
    console.log(`${table(section, results, compared, baseline)}\n`)
  }
  for (const curve of results.curves) console.log(`${curveTable(curve)}\n`)
  if (options.plots) for (const curve of results.curves) writePlot(curve)
}

const curveOptions = (isQuick) => ({
  isQuick,
  trials: Number(options.trials ?? (isQuick ? 3 : 5)),
  producerCpu,
  consumerCpu,
})

/** Fails if a ratio to C is much worse than the one that was recorded. What is worse is measured a second time. */
async function gate(chosen) {
  const measure = async (names) => {
    const curves = []
    for (const name of names) curves.push(await measureCurve(name, curveOptions(true)))
    for (const curve of curves) console.log(`${curveTable(curve)}\n`)
    return ratios(curves)
  }
  const found = await measure(chosen)
  const known = JSON.parse(readFileSync(ratiosFile, 'utf8'))
  if (options.record) {
    writeFileSync(ratiosFile, `${JSON.stringify({ ...known, ...found }, null, 2)}\n`)
    return
  }
  const worse = (ratios) => Object.keys(ratios).filter((key) => ratios[key] > tolerance * known[key])
  const suspects = new Set(worse(found).map((key) => key.split(' ')[0]))
  if (suspects.size === 0) return
  const again = await measure([...suspects])
  const lines = worse(again)
    .filter((key) => worse(found).includes(key))
    .map((key) => `${key}: ${again[key]} x C, and ${found[key]} before; ${known[key]} is recorded`)
  if (lines.length > 0) throw new Failure(`slower than recorded in ${ratiosFile}:\n${lines.join('\n')}`)
}

try {
  await main()
} catch (error) {
  if (!(error instanceof Failure)) throw error
  say(`bench: ${error.message}`)
  process.exitCode = 1
}
