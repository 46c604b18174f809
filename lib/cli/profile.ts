import { writeFileSync } from 'node:fs'
import { bar } from '../pictures/bars.js'
import { styleOf } from '../pictures/style.js'
import { type Profile, type ProfileOptions, profile } from '../profile/profile.js'
import { type Command, exitCodes, Failed, say, UsageError } from './command.js'
import { expectNoMore, parseOptions, print, right, table, toJson } from './output.js'

const options = {
  pid: { type: 'string', short: 'p' },
  hz: { type: 'string' },
  seconds: { type: 'string', short: 's' },
  'off-cpu': { type: 'boolean' },
  'no-kernel': { type: 'boolean' },
  'no-user': { type: 'boolean' },
  lines: { type: 'boolean' },
  folded: { type: 'string' },
  pprof: { type: 'string' },
  speedscope: { type: 'string' },
  html: { type: 'string' },
  json: { type: 'boolean' },
} as const

export const command: Command = {
  usage: '[--pid PID] [--seconds N] [--html FILE] [--folded FILE] [--pprof FILE] ...',
  summary: 'Show where programs spend their time, also as a flame graph',
  help: `Takes samples of what runs on all CPUs, or of one process, and prints the functions in which most time was spent. Ctrl-C
ends it early.

  -p, --pid PID          only this process
  -s, --seconds N        how long it takes; 10 by default
      --hz N             samples a second on each busy CPU; 99 by default
      --off-cpu          how long threads wait, instead of what runs
      --no-kernel        without the functions of the kernel
      --no-user          without those of the process
      --lines            with lines and inlined functions, from debug information
      --html FILE        write a flame graph as a page for a browser
      --folded FILE      write a line for each stack, as flamegraph.pl reads it
      --pprof FILE       write the format of pprof, compressed with gzip
      --speedscope FILE  write JSON for speedscope
      --json             print the functions as JSON

FILE can be - for stdout. JavaScript has names if Node.js runs with --perf-basic-prof and
--interpreted-frames-native-stack; C and C++ should be compiled with -fno-omit-frame-pointer.

Requires CAP_BPF and CAP_PERFMON, CAP_SYS_PTRACE for the names of other users' processes, and Linux 5.8.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    expectNoMore(positionals)
    const stop = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
    const seconds = numberOf('seconds', values.seconds, 10, 86_400)
    const wanted: ProfileOptions = {
      seconds,
      hz: numberOf('hz', values.hz, 99, 10_000),
      kind: values['off-cpu'] === true ? 'off-cpu' : 'cpu',
      kernel: values['no-kernel'] !== true,
      user: values['no-user'] !== true,
      lines: values.lines === true,
      signal: stop.signal,
      ...(values.pid !== undefined && { pid: numberOf('pid', values.pid, 0, 2 ** 22) }),
    }
    if (!wanted.kernel && !wanted.user) throw new UsageError('--no-kernel and --no-user leave nothing')
    const files = outputsOf(values)
    say(`profiling ${wanted.pid === undefined ? 'all processes' : `process ${wanted.pid}`} for ${seconds} s`)
    const found = await profile(wanted)
    report(found)
    for (const [file, contents] of files) {
      if (file === '-') process.stdout.write(contents(found))
      else writeFileSync(file, contents(found))
    }
    if (values.json)
      print(`${toJson({ ...found.info, total: found.total, functions: found.hottest() }, 2)}\n`)
    else if (files.length === 0) print(functionsOf(found))
    return exitCodes.ok
  },
}

function numberOf(name: string, text: string | undefined, otherwise: number, most: number): number {
  if (text === undefined) return otherwise
  const number = Number(text)
  const mayHaveFraction = name === 'seconds'
  if (!(number > 0 && number <= most) || !(mayHaveFraction || Number.isInteger(number)))
    throw new UsageError(`--${name} ${text}: expected a number up to ${most}`)
  return number
}

type Output = [file: string, contents: (profile: Profile) => string | Uint8Array]

function outputsOf(values: {
  folded?: string
  pprof?: string
  speedscope?: string
  html?: string
}): Output[] {
  const known: [string | undefined, (profile: Profile) => string | Uint8Array][] = [
    [values.folded, (found) => found.folded()],
    [values.pprof, (found) => found.pprof()],
    [values.speedscope, (found) => `${JSON.stringify(found.speedscope())}\n`],
    [values.html, (found) => found.flameGraph()],
  ]
  const files = known.flatMap(([file, contents]): Output[] => (file === undefined ? [] : [[file, contents]]))
  if (files.filter(([file]) => file === '-').length > 1) throw new UsageError('only one file can be -')
  return files
}

/** Says what is missing. */
function report({ info, total }: Profile): void {
  if (total === 0) throw new Failed('there were no samples: nothing that was asked for ran')
  if (info.kernelProblem !== undefined) say(`functions of the kernel have no names: ${info.kernelProblem}`)
  const { samples, stacks } = info.lost
  if (samples > 0) say(`${samples} samples are missing: there were more different stacks than fit`)
  if (stacks > 0) say(`${stacks} stacks are missing: another one took their place`)
}

function functionsOf(found: Profile): string {
  const { total } = found
  const { unicode, width } = styleOf()
  // Some terminals report 0.
  const rows = process.stdout.isTTY ? Math.max((process.stdout.rows || 24) - 4, 10) : 40
  const percent = (value: number): string => `${((100 * value) / total).toFixed(1)} %`
  const barWidth = width >= 100 ? 20 : 10
  const functions = found.hottest().slice(0, rows)
  return table(
    [right('OWN'), '', right('WITH CALLS'), 'FUNCTION'],
    functions.map(({ name, module, self, total: all }) => [
      percent(self),
      bar(self / total, barWidth, unicode).padEnd(barWidth),
      percent(all),
      `${name}${module === '' || name.startsWith('[') ? '' : ` (${module.slice(module.lastIndexOf('/') + 1)})`}`,
    ]),
    width,
  )
}
