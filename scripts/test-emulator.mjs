// Runs random programs in the emulator and in the kernel, as test/testing/random.test.ts does, as many as you like, in
// several processes. Each batch of 50 programs has a seed of its own, which is printed with what is found in it.
import { fork } from 'node:child_process'
import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { rolldown } from 'rolldown'
import { Failure, root, say } from './run.mjs'

const perBatch = 50
const help = `Usage: npm run test:emulator -- [--programs N] [--seed N] [--jobs N]

Prints the programs that leave something else in the emulator than in the kernel, and exits with status 1 if there are
any. Programs of which the kernel's verifier removed a branch by mistake are counted apart; the evidence for that is
described in test/testing/compare-with-kernel.ts.

  --programs  how many programs; 1,000,000 by default
  --seed      the first seed; 1 by default
  --jobs      how many processes; by default one for each processor
`

/** The tests are TypeScript; Node.js 20 runs none. */
async function bundle() {
  const file = join(root, 'build', `compare-with-kernel-${process.pid}.mjs`)
  const input = join(root, 'test/testing/compare-with-kernel.ts')
  const bundle = await rolldown({
    input,
    external: /^libbpf-node/,
    platform: 'node',
    transform: { target: 'es2022' },
  })
  await bundle.write({ file })
  return file
}

/** Hands out the batches to processes, one after the other, until none is left. */
function compareAll(file, { batches, firstSeed, jobs, report }) {
  let next = 0
  const job = () =>
    new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(import.meta.url), ['--job', file])
      const give = () => {
        if (next === batches) return child.disconnect()
        const seed = firstSeed + next
        // Half of them are of each instruction set.
        child.send({ seed, isa: next++ % 2 === 0 ? 4 : 3, programs: perBatch })
      }
      child.on('message', (findings) => {
        report(findings)
        give()
      })
      child.on('exit', (status, signal) =>
        status === 0
          ? resolve()
          : reject(new Failure(`a process ended with ${signal ?? `status ${status}`}`)),
      )
      give()
    })
  return Promise.all(Array.from({ length: jobs }, job))
}

async function main() {
  const { values } = parseArgs({
    options: {
      programs: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      help: { type: 'boolean' },
    },
  })
  if (values.help) return process.stdout.write(help)
  const [programs, firstSeed, jobs] = [values.programs, values.seed, values.jobs].map(Number)
  for (const [name, value] of Object.entries({ programs, jobs }))
    if (!(Number.isSafeInteger(value) && value > 0)) throw new Failure(`--${name} is a number of at least 1`)
  if (!Number.isSafeInteger(firstSeed)) throw new Failure('--seed is a whole number')
  const start = performance.now()
  const count = { batches: 0, differences: 0, kernelFaults: 0 }
  const summary = () => {
    const minutes = ((performance.now() - start) / 60_000).toFixed(1)
    const { batches, differences, kernelFaults } = count
    return `${batches * perBatch} programs in ${minutes} minutes: ${differences} differences, ${kernelFaults} faults of the kernel`
  }
  const report = ({ difference, kernelFaults }) => {
    count.batches++
    if (difference !== undefined) count.differences++
    count.kernelFaults += kernelFaults.length
    if (difference !== undefined) say(`difference: ${difference}`)
    for (const fault of kernelFaults) say(`the kernel's verifier removed a branch by mistake: ${fault}`)
    if (count.batches % 200 === 0) say(summary())
  }
  const file = await bundle()
  try {
    await compareAll(file, { batches: Math.ceil(programs / perBatch), firstSeed, jobs, report })
  } finally {
    rmSync(file)
  }
  process.stdout.write(`${summary()}\n`)
  if (count.differences > 0) process.exitCode = 1
}

if (process.argv[2] === '--job') {
  const { compareWithKernel } = await import(process.argv[3])
  process.on('message', (batch) => process.send(compareWithKernel(batch)))
} else {
  try {
    await main()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    say(`test-emulator: ${error.message}`)
    process.exitCode = 1
  }
}
