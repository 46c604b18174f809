import { readFileSync } from 'node:fs'
import { Btf } from 'libbpf-node'
import { Emulator, struct } from 'libbpf-node/testing'
import { describe, expect, it } from 'vitest'
import { readObject } from '../../lib/asm/object-reader.js'
import { relocate } from '../../lib/testing/core.js'
import { load, objectPath } from '../helpers/objects.js'

const kernelTypes = () => {
  using btf = Btf.fromKernel()
  return btf.types
}

describe('CO-RE', () => {
  it.each(['core', 'core-proc', 'exec'])('changes the instructions of %s.bpf.o as libbpf does', (name) => {
    using object = load(name)
    const read = readObject(readFileSync(objectPath(name)))
    const functions = relocate(read.functions, read.btf!, kernelTypes())
    for (const [program, { instructions }] of object.programs) {
      const ours = functions.find((fn) => fn.name === program)!.instructions
      const view = new DataView(instructions.buffer, instructions.byteOffset)
      let slot = 0
      let compared = 0
      for (const [i, before] of read.functions.find((fn) => fn.name === program)!.instructions.entries()) {
        const { code, offset, imm } = ours[i]!
        if (before.core !== undefined) {
          const theirs = {
            code: view.getUint8(slot * 8),
            offset: view.getInt16(slot * 8 + 2, true),
            imm: view.getInt32(slot * 8 + 4, true),
          }
          expect({ code, offset, imm: Number(BigInt.asIntN(32, BigInt(imm))) }, `${program} ${slot}`).toEqual(
            theirs,
          )
          compared++
        }
        slot += typeof before.imm === 'bigint' ? 2 : 1
      }
      expect(compared).toBeGreaterThan(0)
    }
  })

  it('runs a program on structs as this kernel has them', () => {
    const path = new URL('../../dist/examples/raw-tracepoint/raw-tracepoint.bpf.o', import.meta.url)
    const emulator = Emulator.open(path, { btf: kernelTypes(), comm: 'kill' })
    emulator.program('on_signal').run({
      args: [9, struct('kernel_siginfo', { si_code: -1 }), struct('task_struct', { tgid: 5, comm: 'five' })],
    })
    expect(emulator.events('signals', 'signal')).toMatchObject([{ number: 9, pid: 5, comm: 'five' }])
  })
})
