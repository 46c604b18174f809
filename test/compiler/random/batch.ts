// Makes random programs from seeds that follow each other, and checks each of them on several inputs.
import { kernelIs } from '../../helpers/version.js'
import { seeded } from '../../testing/random-programs.js'
import { type Check, check, shrink } from './check.js'
import { Patience } from './patience.js'
import { inputs, randomProgram } from './program.js'

export interface Batch {
  /** That of the first program. */
  readonly seed: number
  readonly programs: number
  /** The kernel and the emulator are asked, and BigInt arithmetic says what is right. */
  readonly inKernel: boolean
}

export interface Findings {
  /** What was wrong, with the smallest program that does it. */
  readonly differences: readonly string[]
  /** Programs that the compiler or the verifier gave up on. */
  readonly tooLarge: number
}

const runs = 3

export async function checkBatch({ seed: first, programs, inKernel }: Batch): Promise<Findings> {
  await using patience = new Patience()
  const differences: string[] = []
  let tooLarge = 0
  for (let seed = first; seed < first + programs; seed++) {
    const random = seeded(seed)
    const program = randomProgram(random, {
      isCounted: kernelIs('6.4'),
      hasForEach: kernelIs('5.13'),
      hasDynptrs: kernelIs('5.19'),
      hasArenas: kernelIs('6.10'),
    })
    const how: Check = {
      // Loops are counted by may_goto in one half, and by iterators in the other.
      options: kernelIs('6.10') && seed % 2 === 0 ? { oldestKernel: '6.10' } : {},
      // To compile a program takes longer than to run it.
      executor: random.below(4) === 0 ? 'compiled' : 'interpreted',
      ...(inKernel && { patience }),
      runs: Array.from({ length: runs }, () => ({
        input: Array.from({ length: inputs }, () =>
          random.below(3) === 0 ? BigInt(random.below(300)) : random.u64(),
        ),
        packet: Uint8Array.from({ length: 48 + random.below(48) }, () => random.below(256)),
      })),
    }
    const message = check(program, how)
    if (message === 'too large') tooLarge++
    else if (message !== undefined)
      differences.push(
        `seed ${seed}: ${message}\n\nThe smallest program that does this:\n${shrink(program, how, message)}`,
      )
  }
  return { differences, tooLarge }
}
