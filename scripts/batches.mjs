// Runs functions of tests that check many random programs: in several processes, in batches, each with a seed of its
// own.
import { fork } from 'node:child_process'
import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { rolldown } from 'rolldown'
import { Failure, root, say } from './run.mjs'

/**
 * Runs a command that checks random programs, a million by default. `check` gets the options, and a function that says how
 * many minutes have passed, and returns how many differences it found.
 */
export async function batchCommand(name, help, check) {
  try {
    const options = batchOptions()
    if (options === undefined) return void process.stdout.write(help)
    const start = performance.now()
    const minutes = () => ((performance.now() - start) / 60_000).toFixed(1)
    if ((await check({ ...options, minutes })) > 0) process.exitCode = 1
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    say(`${name}: ${error.message}`)
    process.exitCode = 1
  }
}

/** The options of these commands, with a check. Undefined if `--help` was asked for. */
function batchOptions() {
  const { values } = parseArgs({
    options: {
      programs: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      help: { type: 'boolean' },
    },
  })
  if (values.help) return undefined
  const [programs, firstSeed, jobs] = [values.programs, values.seed, values.jobs].map(Number)
  for (const [name, value] of Object.entries({ programs, jobs }))
    if (!(Number.isSafeInteger(value) && value > 0)) throw new Failure(`--${name} is a number of at least 1`)
  if (!Number.isSafeInteger(firstSeed)) throw new Failure('--seed is a whole number')
  return { programs, firstSeed, jobs }
}

/**
 * Hands out batches to processes, one after the other, until `next` returns undefined. `name` is the function in
 * `source`, a file of the tests; `report` gets what it returns and the batch.
 */
export async function runBatches({ source, name, jobs, next, report }) {
  const file = await bundle(source)
  try {
    await Promise.all(Array.from({ length: jobs }, () => job(file, name, next, report)))
  } finally {
    rmSync(file)
  }
}

/** The tests are TypeScript; Node.js 20 runs none. */
async function bundle(source) {
  const file = join(root, 'build', `${basename(source, '.ts')}-${process.pid}.mjs`)
  const bundle = await rolldown({
    input: join(root, source),
    external: /^libbpf-node/,
    platform: 'node',
    transform: { target: 'es2022' },
  })
  await bundle.write({ file })
  return file
}

function job(file, name, next, report) {
  return new Promise((resolve, reject) => {
    // Programs live for some milliseconds: most of what they leave fits into a larger young generation.
    const execArgv = ['--max-semi-space-size=32']
    const child = fork(fileURLToPath(import.meta.url), [file, name], { execArgv })
    let batch
    const give = () => {
      batch = next()
      if (batch === undefined) child.disconnect()
      else child.send(batch)
    }
    child.on('message', (findings) => {
      report(findings, batch)
      give()
    })
    child.on('exit', (status, signal) =>
      status === 0
        ? resolve()
        : reject(
            new Failure(
              `a process ended with ${signal ?? `status ${status}`}, in the batch ${JSON.stringify(batch)}`,
            ),
          ),
    )
    give()
  })
}

// A process of a job.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [file, name] = process.argv.slice(2)
  const { [name]: check } = await import(file)
  process.on('message', async (batch) => process.send(await check(batch)))
}
