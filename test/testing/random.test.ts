import { describe, expect } from 'vitest'
import { requiresKernel } from '../helpers/kernel.js'
import { slowness } from '../helpers/slowness.js'
import { compareWithKernel } from './compare-with-kernel.js'

/** How many programs of each instruction set. Millions: npm run test:emulator */
const programs = Math.max(10, Math.ceil(500 / slowness))
const perBatch = Math.min(50, programs)
/** The same programs in each run of the suite, unless a seed is given. */
const firstSeed = Number(process.env.LIBBPF_NODE_SEED ?? 1)

describe('random programs', { timeout: 120_000 * slowness }, () => {
  for (const isa of [3, 4] as const) {
    const title = `of instruction set v${isa} leave the same in the emulator as in the kernel`
    requiresKernel(isa === 3 ? '5.15' : '6.6', title, () => {
      for (let seed = firstSeed + isa, left = programs; left > 0; seed += 2, left -= perBatch) {
        const { difference } = compareWithKernel({ seed, isa, programs: perBatch })
        expect(difference).toBeUndefined()
      }
    })
  }
})
