// Runs the tests on several of Debian's kernels. See docs/kernels.md.
import { writeFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { Failure, root, say } from '../run.mjs'
import { ensurePrograms } from '../tools.mjs'
import { fetchKernel, kernels, machineOf, ownKernels } from './fetch.mjs'
import { guestTools, runInGuest } from './guest.mjs'
import { writeTable } from './table.mjs'
import { alone, kernelTests, maySkip } from './tests.mjs'
import { fetchBpftool, fetchTools, fetchXdpTools } from './tools.mjs'

const atOnce = Math.max(
  1,
  Math.min(ownKernels.length, availableParallelism(), Math.floor(totalmem() / 2 ** 32)),
)

const help = `Usage: npm run test:kernels [-- [KERNEL...] [TEST FILE...]]

Runs the tests on other kernels (${[...kernels.keys()].join(', ')}) under qemu. Without arguments, runs all tests on all
kernels for this machine, and updates docs/kernels.md if they pass.

  --at-once N  run N guests at a time (${atOnce} by default; each needs a CPU and 3 GB)
  --json FILE  also write all results to a file

LIBBPF_NODE_SEED, LIBBPF_NODE_RANDOM_SOURCES and LIBBPF_NODE_PROPERTY_RUNS reach the tests.
`

// Guests are slow, but a test without output for this long hangs. The boot counts for the first test.
const patience = 360_000
const slowness = 10
// Tests that take longer are reported.
const slow = 20_000
// For each machine, the environment variables that name the tools we are compared with.
const comparisons = new Map()

// What the random tests run, if it is said.
const given = Object.fromEntries(
  ['LIBBPF_NODE_RANDOM_SOURCES', 'LIBBPF_NODE_PROPERTY_RUNS', 'LIBBPF_NODE_SEED'].flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  ),
)

const secondsSince = (time) => ((Date.now() - time) / 1000).toFixed(1)

/** Runs files on one kernel: `{ kernel, results, errors }`. */
async function runOn(name, files) {
  const outcome = { kernel: { name, release: '' }, results: [], errors: [], seconds: 0 }
  const begin = Date.now()
  try {
    outcome.kernel = await fetchKernel(name)
  } catch (error) {
    // The other kernels still run.
    if (!(error instanceof Failure)) throw error
    say(`${name.padEnd(13)}FAILED\n${error.message}\n`)
    outcome.errors.push({ where: 'start', error: error.message })
    return outcome
  }
  // A file at which a guest stops is tried once more in a new guest.
  const retried = new Set()
  for (let left of guestsOf(files)) {
    while (left.length > 0) left = await round(outcome.kernel, left, outcome, retried)
  }
  outcome.seconds = Math.round((Date.now() - begin) / 1000)
  return outcome
}

async function fetchComparisons(machine) {
  const tools = await fetchTools(machine)
  if (!tools) say('kernels: libbpf-tools could not be fetched, so the objects of real tools are not tested')
  // Among the programs for another machine there is a bpftool.
  const bpftool = machine === 'amd64' ? (process.env.BPFTOOL ?? (await fetchBpftool())) : undefined
  const xdpTools = machine === 'amd64' ? await fetchXdpTools() : undefined
  return {
    ...(tools && { LIBBPF_NODE_OBJECTS: tools }),
    ...(bpftool && { BPFTOOL: bpftool }),
    ...(xdpTools && { XDP_TOOLS: xdpTools }),
  }
}

function guestsOf(files) {
  const isAlone = (file) => alone.some((pattern) => pattern.test(file))
  return [files.filter((file) => !isAlone(file)), ...files.filter(isAlone).map((file) => [file])]
}

async function round(kernel, files, outcome, retried) {
  const tell = (text) => say(`${kernel.name.padEnd(13)}${text}`)
  const giveUp = new AbortController()
  const finished = new Set()
  let current = {}
  let begun = Date.now()
  let testBegun = begun
  let done = false
  let rest = ''
  let watchdog = setTimeout(() => giveUp.abort(), patience)

  const events = {
    begin() {
      tell(`${kernel.release} is up`)
    },
    file({ file }) {
      current = { file }
      begun = Date.now()
    },
    test({ name }) {
      current.name = name
      testBegun = Date.now()
    },
    result(result) {
      if (Date.now() - testBegun > slow)
        tell(`  ${secondsSince(testBegun)} s: ${result.file} > ${result.name}`)
      const wrongSkip = result.state === 'skipped' && !maySkip(kernel, result.name)
      if (wrongSkip)
        Object.assign(result, { state: 'failed', errors: ['it was skipped, but should run here'] })
      outcome.results.push(result)
      if (result.state === 'failed')
        tell(`FAILED ${result.file} > ${result.name}\n${result.errors.join('\n')}\n`)
      if (result.flaky) tell(`SECOND ATTEMPT ${result.file} > ${result.name}\n${result.errors.join('\n')}\n`)
    },
    end({ file, errors }) {
      finished.add(file)
      current = { name: `the end of ${file}` }
      fail(file, errors)
      const of = outcome.results.filter((result) => result.file === file)
      const count = (state) => of.filter((result) => result.state === state).length
      tell(
        `${file}: ${count('passed')} passed, ${count('skipped')} skipped, ${count('failed') + errors.length} failed (${secondsSince(begun)} s)`,
      )
    },
    done({ errors }) {
      fail('outside of tests', errors)
      done = true
    },
  }
  function fail(where, errors) {
    for (const error of errors) {
      outcome.errors.push({ where, error })
      tell(`FAILED ${where}\n${error}\n`)
    }
  }

  const command = [kernel.node, 'node_modules/vitest/vitest.mjs', 'run']
  const options = ['--config', 'scripts/kernels/vitest.config.mjs']
  let noise = ''
  const guest = await runInGuest(kernel, [...command, ...options, ...files], {
    cwd: root,
    env: {
      LIBBPF_NODE_SLOWNESS: String(slowness),
      LIBBPF_NODE_CPU_HOTPLUG: '1',
      LIBBPF_NODE_LOCKDOWN: '1',
      NO_COLOR: '1',
      ...given,
      ...comparisons.get(kernel.machine),
    },
    signal: giveUp.signal,
    onOutput(text) {
      clearTimeout(watchdog)
      watchdog = setTimeout(() => giveUp.abort(), patience)
      const lines = (rest + text).split('\n')
      rest = lines.pop()
      for (const line of lines) {
        if (!line.startsWith('@{')) {
          noise += `${line}\n`
          continue
        }
        const { type, ...event } = JSON.parse(line.slice(1))
        events[type](event)
      }
    },
  })
  clearTimeout(watchdog)
  const left = files.filter((file) => !finished.has(file))
  if (done) return []
  const how = giveUp.signal.aborted
    ? `there was no output for ${patience / 1000} s`
    : guest.status === undefined
      ? 'the guest stopped'
      : `vitest ended with status ${guest.status}`
  const tail = (text) => text.trimEnd().split('\n').slice(-40).join('\n')
  const end = `${how} in ${current.name ?? 'the start'}\n${tail(noise)}\nthe guest's console:\n${tail(guest.console)}`
  if (!retried.has(current.file)) {
    retried.add(current.file)
    tell(`trying again, because of ${current.file ?? 'the start'}: ${end}`)
    outcome.results = outcome.results.filter(({ file }) => file !== current.file)
    return left
  }
  fail(current.file ?? 'start', [end])
  return current.file === undefined ? [] : left.filter((file) => file !== current.file)
}

/** Kernels with more files come first, and newer ones, which skip less, so that guests do not end far apart. */
async function inParallel(atOnce, filesOf, job) {
  const names = [...filesOf.keys()]
  const waiting = names.toReversed().sort((a, b) => filesOf.get(b).length - filesOf.get(a).length)
  const outcomes = new Map()
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift())
      outcomes.set(name, await job(name, filesOf.get(name)))
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return names.map((name) => outcomes.get(name))
}

function summary(outcomes) {
  const rows = outcomes.map(({ kernel, results, errors, seconds }) => {
    const count = (state) => results.filter((result) => result.state === state).length
    return [
      kernel.name,
      kernel.release,
      count('passed'),
      count('skipped'),
      count('failed') + errors.length,
      `${seconds} s`,
    ]
  })
  const table = [['kernel', 'release', 'passed', 'skipped', 'failed', 'time'], ...rows]
  const widths = table[0].map((_, i) => Math.max(...table.map((row) => String(row[i]).length)))
  return table.map((row) => row.map((cell, i) => String(cell).padEnd(widths[i])).join('  ')).join('\n')
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'at-once': { type: 'string', default: String(atOnce) },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) process.stdout.write(help)
  else {
    const tests = positionals.filter((name) => name.endsWith('.ts'))
    const named = positionals.filter((name) => !name.endsWith('.ts'))
    for (const name of named) if (!kernels.has(name)) throw new Failure(`unknown kernel ${name}\n\n${help}`)
    process.chdir(root)
    const names = named.length > 0 ? named : ownKernels
    const machines = [...new Set(names.map(machineOf))]
    await ensurePrograms(guestTools(machines))
    const filesOf = new Map(names.map((name) => [name, tests.length > 0 ? tests : kernelTests(name)]))
    for (const machine of machines) comparisons.set(machine, await fetchComparisons(machine))
    const outcomes = await inParallel(Number(values['at-once']), filesOf, runOn)
    const failed = outcomes.some(
      ({ results, errors }) => errors.length > 0 || results.some(({ state }) => state === 'failed'),
    )
    if (values.json) writeFileSync(values.json, JSON.stringify(outcomes))
    if (positionals.length === 0 && !failed) writeTable(outcomes)
    say(`\n${summary(outcomes)}`)
    process.exitCode = failed ? 1 : 0
  }
} catch (error) {
  say(error instanceof Failure || error.code?.startsWith('ERR_PARSE_ARGS') ? error.message : error.stack)
  process.exitCode = 1
}
