import { add, buildObject, exit, jne32, label, mov, r0, r1, xor } from 'libbpf-node/asm'
import { Emulator } from 'libbpf-node/testing'
import { now } from '../measure.mjs'

export const c = null
export const trials = 3
export const args = ({ quick }) => [quick ? 1e6 : 2e7]
export const metrics = {
  compiled: { title: 'emulator, a loop as WebAssembly', unit: 'M instructions/s', atLeast: 20 },
  interpreted: { title: 'emulator, the interpreter', unit: 'M instructions/s' },
}

const perRound = 4

export function trial(_object, rounds) {
  const program = (count) =>
    buildObject({
      programs: {
        p: {
          section: 'syscall',
          instructions: [
            mov(r0, 0),
            mov(r1, count),
            label('top', add(r0, r1)),
            xor(r0, 7),
            add(r1, -1),
            jne32(r1, 0, 'top'),
            exit(),
          ],
        },
      },
    })
  const speed = (executor, count) => {
    const emulator = Emulator.open(program(count), { executor, budget: 1e9 })
    emulator.program('p').run()
    const start = now()
    emulator.program('p').run()
    return (count * perRound * 1e3) / (now() - start)
  }
  return { compiled: speed('compiled', rounds), interpreted: speed('interpreted', rounds / 200) }
}
