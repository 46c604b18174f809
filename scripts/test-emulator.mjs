// Runs random programs in the emulator and in the kernel, as test/testing/random.test.ts does, as many as you like, in
// several processes. Each batch of 50 programs has a seed of its own, which is printed with what is found in it.
import { batchCommand, runBatches } from './batches.mjs'
import { say } from './run.mjs'

const perBatch = 50
const help = `Usage: npm run test:emulator -- [--programs N] [--seed N] [--jobs N]

Prints the programs that leave something else in the emulator than in the kernel, and exits with status 1 if there are
any. Programs of which the kernel's verifier removed a branch by mistake are counted apart; the evidence for that is
described in test/testing/compare-with-kernel.ts.

  --programs  how many programs; 1,000,000 by default
  --seed      the first seed; 1 by default
  --jobs      how many processes; by default one for each processor
`

await batchCommand('test-emulator', help, async ({ programs, firstSeed, jobs, minutes }) => {
  const count = { batches: 0, differences: 0, kernelFaults: 0 }
  const summary = () => {
    const { batches, differences, kernelFaults } = count
    return `${batches * perBatch} programs in ${minutes()} minutes: ${differences} differences, ${kernelFaults} faults of the kernel`
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
  return count.differences
})
