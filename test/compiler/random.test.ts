import { describe, expect, it } from 'vitest'
import { kernelIs } from '../helpers/kernel.js'
import { slowness } from '../helpers/slowness.js'
import { seeded } from '../testing/random-programs.js'
import { check, shrink } from './random/check.js'
import { inputs, randomProgram } from './random/program.js'

/** How many programs; each runs on several inputs. Many: LIBBPF_NODE_RANDOM_SOURCES=100000. */
const wanted = Number(process.env.LIBBPF_NODE_RANDOM_SOURCES ?? Math.ceil(60 / slowness))
const firstSeed = Number(process.env.LIBBPF_NODE_SEED ?? 1)
/** The kernel and the emulator are asked, and BigInt arithmetic says what is right. */
const inKernel = process.env.LIBBPF_NODE_RANDOM_KERNEL !== '0'
const runs = 3

describe('random programs in TypeScript', { timeout: 3_600_000 }, () => {
  it('leave behind in the kernel and in the emulator what BigInt arithmetic does', () => {
    let tooLarge = 0
    for (let seed = firstSeed; seed < firstSeed + wanted; seed++) {
      const random = seeded(seed)
      const program = randomProgram(random, { isCounted: kernelIs('6.4'), hasForEach: kernelIs('5.13') })
      const how = {
        // Loops are counted by may_goto in one half, and by iterators in the other.
        options: kernelIs('6.9') && seed % 2 === 0 ? { oldestKernel: '6.9' } : {},
        inKernel,
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
        expect.fail(
          `seed ${seed}: ${message}\n\nThe smallest program that does this:\n${shrink(program, how, message)}`,
        )
    }
    expect(tooLarge, 'programs that the verifier gave up on').toBeLessThanOrEqual(Math.max(2, wanted / 10))
  })
})
