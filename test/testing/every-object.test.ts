// Runs every program that BPF_PROG_TEST_RUN can run in the emulator and in the kernel, and compares what they leave.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Emulator, openInKernel, type RunOptions, type TestObject } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { kernelIs } from '../helpers/kernel.js'

const root = fileURLToPath(new URL('../../dist', import.meta.url))

/** Programs whose result depends on more than their input. */
const elsewhere: Record<string, string> = {
  'globals-live.bpf.o': 'other runs change its variables',
  'events-perf.bpf.o': 'its perf buffer has no reader',
  'hold.bpf.o': 'it runs for as long as it can',
  'stream.bpf.o': 'it calls a kernel function that is not emulated',
  'stream-impl.bpf.o': 'it calls a kernel function that is not emulated',
  'arena.bpf.o': 'arenas are not emulated',
}

const runnable = /^(xdp|tc|tcx|classifier|action|syscall|socket|cgroup_skb|cgroup\/skb)(\W|$)/

function optionsFor(section: string): RunOptions {
  if (/^syscall/.test(section)) return { context: new Uint8Array(64) }
  const packet = Uint8Array.from({ length: 64 }, (_, i) => i * 7)
  packet.set([0x08, 0x00], 12)
  return { packet }
}

/** The program's result in one of the two, or `undefined` where it cannot run. */
function resultOf(object: TestObject, name: string, section: string) {
  try {
    const { retval, packet } = object.program(name).run(optionsFor(section))
    return { retval, packet: packet && Buffer.from(packet).toString('hex') }
  } catch {
    return undefined
  }
}

describe('every program of the examples and tests', { timeout: 120_000 }, () => {
  it('returns and changes the same in the emulator as in the kernel', async () => {
    let compared = 0
    for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
      const name = file.split('/').at(-1)!
      if (!file.endsWith('.bpf.o') || name in elsewhere) continue
      let emulator: Emulator
      let kernel: TestObject
      try {
        emulator = Emulator.open(join(root, file), { cpus: 1 })
        kernel = await openInKernel(join(root, file))
      } catch {
        // It is made to be refused, or for a newer kernel.
        continue
      }
      using opened = kernel
      for (const program of emulator.programs.values()) {
        const { section } = program
        const expected = runnable.test(section) ? resultOf(opened, program.name, section) : undefined
        if (expected === undefined) continue
        // Programs that return the number of the CPU run on any.
        if (name === 'maps.bpf.o') expected.retval = 0
        expect(resultOf(emulator, program.name, section), `${file} ${program.name}`).toEqual(expected)
        compared++
      }
    }
    expect(compared).toBeGreaterThan(kernelIs('5.15') ? 25 : 5)
  })
})
