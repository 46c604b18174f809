// Compiles random programs in TypeScript and runs them in the kernel and in the emulator, as
// test/compiler/random.test.ts does, as many as you like, in several processes. Each program has a seed of its own.
import { batchCommand, runBatches } from './batches.mjs'
import { say } from './run.mjs'

const perBatch = 200
const secondsBetweenReports = 60
const help = `Usage: npm run test:compiler -- [--programs N] [--seed N] [--jobs N]

Prints the programs that leave something else in the kernel or in the emulator than BigInt arithmetic says, each with
its seed and as short as possible, and exits with status 1 if there are any. Says every minute how far it is.

  --programs  how many programs; 1,000,000 by default
  --seed      that of the first program; 1 by default
  --jobs      how many processes; by default one for each processor
`

await batchCommand('test-compiler', help, async ({ programs, firstSeed, jobs, minutes }) => {
  const count = { programs: 0, differences: 0, tooLarge: 0 }
  const summary = () =>
    `${count.programs} of ${programs} programs in ${minutes()} minutes, from seed ${firstSeed}: ${count.differences} differences; the verifier or the compiler gave up on ${count.tooLarge}`
  let reported = performance.now()
  let given = 0
  await runBatches({
    source: 'test/compiler/random/batch.ts',
    name: 'checkBatch',
    jobs,
    next() {
      if (given === programs) return undefined
      const batch = {
        seed: firstSeed + given,
        programs: Math.min(perBatch, programs - given),
        inKernel: true,
      }
      given += batch.programs
      return batch
    },
    report({ differences, tooLarge }, batch) {
      count.programs += batch.programs
      count.differences += differences.length
      count.tooLarge += tooLarge
      for (const difference of differences) say(`difference: ${difference}`)
      if (performance.now() - reported < secondsBetweenReports * 1000) return
      reported = performance.now()
      say(summary())
    },
  })
  process.stdout.write(`${summary()}\n`)
  return count.differences
})
