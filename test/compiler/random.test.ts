import { describe, expect, it } from 'vitest'
import { slowness } from '../helpers/slowness.js'
import { checkBatch } from './random/batch.js'

/** How many programs; each runs on several inputs. Millions: npm run test:compiler */
const wanted = Number(process.env.LIBBPF_NODE_RANDOM_SOURCES ?? Math.ceil(60 / slowness))
const seed = Number(process.env.LIBBPF_NODE_SEED ?? 1)
const inKernel = process.env.LIBBPF_NODE_RANDOM_KERNEL !== '0'

/** In several tests, so that one can see how far they are. */
const perTest = 30
const firsts = Array.from({ length: Math.ceil(wanted / perTest) }, (_, i) => seed + i * perTest)

describe('random programs in TypeScript', { timeout: 3_600_000 }, () => {
  it.each(firsts)(
    'leave behind in the kernel and in the emulator what BigInt arithmetic does, from seed %i',
    async (first) => {
      const programs = Math.min(perTest, seed + wanted - first)
      const { differences, tooLarge } = await checkBatch({ seed: first, programs, inKernel })
      expect(differences).toEqual([])
      expect(tooLarge, 'programs that the verifier gave up on').toBeLessThanOrEqual(
        Math.max(2, programs / 10),
      )
    },
  )
})
