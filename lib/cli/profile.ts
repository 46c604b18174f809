import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { bar } from '../pictures/bars.js'
import { styleOf } from '../pictures/style.js'
import { type ContinuousOptions, pushProfiles } from '../profile/continuous.js'
import { type Profile, type ProfileOptions, profile } from '../profile/profile.js'
import { checkTarget } from '../profile/push.js'
import { type Command, exitCodes, Failed, say, UsageError } from './command.js'
import { expectNoMore, oneOf, parseOptions, print, right, table, toJson } from './output.js'

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
  push: { type: 'string' },
  'push-to': { type: 'string' },
  service: { type: 'string' },
  label: { type: 'string', multiple: true },
  header: { type: 'string', multiple: true },
  json: { type: 'boolean' },
} as const

export const command: Command = {
  usage: '[--pid PID] [--seconds N] [--html FILE] [--folded FILE] [--pprof FILE] [--push URL] ...',
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
      --push URL         keep sending profiles to Pyroscope until Ctrl-C
      --push-to parca    send it to Parca instead
      --service NAME     what the profiles belong to, for --push; the name of this machine by default
      --label NAME=VALUE a label for --push; may be repeated
      --header NAME=VALUE
                         a header for --push, such as X-Scope-OrgID=shop; may be repeated

With --push, --seconds is the length of each profile, 15 by default. FILE can be - for stdout. JavaScript functions
have names if Node.js runs with --perf-basic-prof and --interpreted-frames-native-stack; C and C++ should be compiled
with -fno-omit-frame-pointer.

Requires CAP_BPF and CAP_PERFMON, CAP_SYS_PTRACE for the names of other users' processes, and Linux 5.8.
`,
  async run(args) {
    const { values, positionals } = parseOptions(args, options)
    expectNoMore(positionals)
    if (values.push !== undefined) return pushUntilStopped(values.push, values)
    const stop = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
    for (const name of pushOnly)
      if (values[name] !== undefined) throw new UsageError(`--${name} is for --push`)
    const seconds = numberOf('seconds', values.seconds, 10, 86_400)
    const wanted: ProfileOptions = {
      ...optionsOf(values),
      seconds,
      kind: values['off-cpu'] === true ? 'off-cpu' : 'cpu',
      signal: stop.signal,
    }
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

type Values = ReturnType<typeof parseOptions<typeof options>>['values']

const pushOnly = ['push-to', 'service', 'label', 'header'] as const
const outputsOnly = ['folded', 'pprof', 'speedscope', 'html', 'json', 'off-cpu'] as const

function optionsOf(values: Values): Omit<ProfileOptions, 'kind' | 'seconds' | 'signal'> {
  const wanted = {
    hz: numberOf('hz', values.hz, 99, 10_000),
    kernel: values['no-kernel'] !== true,
    user: values['no-user'] !== true,
    lines: values.lines === true,
    ...(values.pid !== undefined && { pid: numberOf('pid', values.pid, 0, 2 ** 22) }),
  }
  if (!wanted.kernel && !wanted.user)
    throw new UsageError('--no-kernel and --no-user cannot be used together: no stack would be left')
  return wanted
}

/** Sends profiles until SIGINT or SIGTERM. */
async function pushUntilStopped(url: string, values: Values): Promise<number> {
  for (const name of outputsOnly)
    if (values[name] !== undefined) throw new UsageError(`--${name} and --push cannot be combined`)
  const wanted: ContinuousOptions = {
    ...optionsOf(values),
    url,
    server: oneOf('server', ['pyroscope', 'parca'], values['push-to'] ?? 'pyroscope'),
    service: values.service ?? hostname(),
    labels: pairsOf('label', values.label),
    headers: pairsOf('header', values.header),
    seconds: numberOf('seconds', values.seconds, 15, 86_400),
    onError: ({ message }) => say(message),
  }
  try {
    checkTarget(wanted)
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message)
    throw error
  }
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  const pushing = await pushProfiles(wanted)
  say(`sending a profile to ${url} every ${wanted.seconds} s; Ctrl-C ends it`)
  await stopped
  const { sent, lost, missing } = await pushing.close()
  say(`${sent.profiles} profiles with ${sent.samples} samples were sent`)
  if (lost.profiles > 0) say(`${lost.profiles} profiles with ${lost.samples} samples are lost`)
  if (missing.samples > 0) say(`${missing.samples} samples are missing: there were more stacks than fit`)
  return sent.profiles > 0 || lost.profiles === 0 ? exitCodes.ok : exitCodes.failed
}

function pairsOf(option: string, texts: readonly string[] = []): Record<string, string> {
  const pairs = texts.map((text): [string, string] => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
    if (name === undefined || value === undefined)
      throw new UsageError(`--${option} ${text}: expected NAME=VALUE`)
    return [name, value]
  })
  return Object.fromEntries(pairs)
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
  if (total === 0) throw new Failed('there were no samples: nothing that is being profiled ran')
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
