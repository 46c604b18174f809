// Runs random programs in the emulator and in the kernel, as test/testing/random.test.ts does, as many as you like, in
// several processes. Each batch of 50 programs has a seed of its own, which is printed with what is found in it.
import { batchOptions, runBatches } from './batches.mjs'
import { Failure, say } from './run.mjs'

const perBatch = 50
const help = `Usage: npm run test:emulator -- [--programs N] [--seed N] [--jobs N]

Prints the programs that leave something else in the emulator than in the kernel, and exits with status 1 if there are
any. Programs of which the kernel's verifier removed a branch by mistake are counted apart; the evidence for that is
described in test/testing/compare-with-kernel.ts.

  --programs  how many programs; 1,000,000 by default
  --seed      the first seed; 1 by default
  --jobs      how many processes; by default one for each processor
`

async function main() {
  const options = batchOptions(1_000_000)
  if (options === undefined) return process.stdout.write(help)
  const { programs, firstSeed, jobs } = options
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
  const batches = Math.ceil(programs / perBatch)
  let given = 0
  await runBatches({
    source: 'test/testing/compare-with-kernel.ts',
    name: 'compareWithKernel',
    jobs,
    report,
    next: () =>
      // Half of them are of each instruction set.
      given === batches
        ? undefined
        : { seed: firstSeed + given, isa: given++ % 2 === 0 ? 4 : 3, programs: perBatch },
  })
  process.stdout.write(`${summary()}\n`)
  if (count.differences > 0) process.exitCode = 1
}

try {
  await main()
} catch (error) {
  if (!(error instanceof Failure)) throw error
  say(`test-emulator: ${error.message}`)
  process.exitCode = 1
}
