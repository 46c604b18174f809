import { BpfObject, VerifierError } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { kernelIs } from '../helpers/kernel.js'
import { slowness } from '../helpers/slowness.js'
import { seeded } from '../testing/random-programs.js'
import { randomProgram } from './random-source.js'

/** How many programs; each runs on four inputs. Many: LIBBPF_NODE_RANDOM_SOURCES=100000. */
const wanted = Number(process.env.LIBBPF_NODE_RANDOM_SOURCES ?? Math.ceil(120 / slowness))
const firstSeed = Number(process.env.LIBBPF_NODE_SEED ?? 1)
/** The kernel and the emulator are asked, and BigInt arithmetic says what is right. */
const inKernel = process.env.LIBBPF_NODE_RANDOM_KERNEL !== '0'

describe('random programs in TypeScript', { timeout: 3_600_000 }, () => {
  it('compute in the kernel and in the emulator what BigInt arithmetic does', () => {
    let tooLarge = 0
    for (let i = 0; i < wanted; i++) {
      const seed = firstSeed + i
      const random = seeded(seed)
      const { text, evaluate } = randomProgram(random, kernelIs('6.4'))
      // Loops are counted by may_goto in one half, and by iterators in the other.
      const oldest = kernelIs('6.9') && seed % 2 === 0 ? { oldestKernel: '6.9' } : {}
      const { object } = compile(text, oldest)
      const emulator = Emulator.open(object)
      using opened = inKernel ? load(object) : undefined
      if (inKernel && opened === undefined) tooLarge++
      for (let run = 0; run < 4; run++) {
        const input = Array.from({ length: 16 }, () =>
          random.below(3) === 0 ? BigInt(random.below(300)) : random.u64(),
        )
        const expected = evaluate(input)
        emulator.set('input', input)
        emulator.program('p').run({ packet: new Uint8Array(14) })
        const emulated = emulator.get<bigint[]>('output').slice(0, expected.length)
        expect(emulated, `seed ${seed}, in the emulator:\n${text}`).toEqual(expected)
        if (opened === undefined) continue
        const data = opened.data as { input: bigint[]; output: bigint[] }
        data.input = input
        opened.program('p').testRunSync({ data: new Uint8Array(14) })
        expect([...data.output].slice(0, expected.length), `seed ${seed}, in the kernel:\n${text}`).toEqual(
          expected,
        )
      }
    }
    if (tooLarge > wanted / 20) throw new Error(`the verifier gave up on ${tooLarge} of ${wanted} programs`)
  })
})

/** Loads an object, unless the verifier gives up on it: it follows a million instructions, and has room for 8192 ways to go. */
function load(object: Uint8Array): BpfObject | undefined {
  const opened = BpfObject.open(object)
  try {
    opened.loadSync()
    return opened
  } catch (error) {
    opened.close()
    if (error instanceof VerifierError && /too large|too complex/.test(error.message)) return undefined
    throw error
  }
}
