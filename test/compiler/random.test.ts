import { BpfObject } from 'libbpf-node'
import { compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { slowness } from '../helpers/slowness.js'
import { seeded } from '../testing/random-programs.js'
import { randomProgram } from './random-source.js'

/** How many programs; each runs on four inputs. Many: LIBBPF_NODE_RANDOM_SOURCES=100000. */
const wanted = Number(process.env.LIBBPF_NODE_RANDOM_SOURCES ?? Math.ceil(300 / slowness))
const firstSeed = Number(process.env.LIBBPF_NODE_SEED ?? 1)
/** The kernel and the emulator are asked, and BigInt arithmetic says what is right. */
const inKernel = process.env.LIBBPF_NODE_RANDOM_KERNEL !== '0'

describe('random programs in TypeScript', { timeout: 3_600_000 }, () => {
  it('compute in the kernel and in the emulator what BigInt arithmetic does', () => {
    for (let i = 0; i < wanted; i++) {
      const seed = firstSeed + i
      const random = seeded(seed)
      const { text, evaluate } = randomProgram(random)
      const { object } = compile(text)
      const emulator = Emulator.open(object)
      using opened = inKernel ? BpfObject.open(object) : undefined
      opened?.loadSync()
      for (let run = 0; run < 4; run++) {
        const input = Array.from({ length: 8 }, () =>
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
  })
})
