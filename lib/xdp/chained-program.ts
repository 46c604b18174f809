// Changes a program so that the next one runs after it: where it would return an action after which other programs are
// to run, it calls the program in a program array instead.
import {
  and32,
  call,
  exit,
  ja,
  jeq32,
  jgt32,
  ldMapFd,
  ldx,
  lsh32,
  mov,
  mov32,
  r0,
  r1,
  r2,
  r3,
  r6,
  r10,
  stx,
} from '../asm/builders.js'
import { label } from '../asm/edit.js'
import type { Instruction } from '../asm/instruction.js'
import { actionBits, xdpActions } from './components.js'

const [BPF_LDX, BPF_ST, BPF_STX, BPF_ALU64] = [1, 2, 3, 7]
const [ADD, SUB, EXIT] = [0x07, 0x17, 0x95]
const stackSize = 512

/**
 * @param instructions - those of a program and then its functions, from the disassembler
 * @param next - the descriptor of the program array
 * @param actions - a bit for each action after which the next program runs
 * @returns `undefined` if the program leaves no room on its stack for its context
 */
export function chainedProgram(
  instructions: readonly Instruction[],
  next: number,
  actions: number,
): Instruction[] | undefined {
  const end = instructions.findIndex(
    ({ labels = [] }, i) => i > 0 && labels.some((name) => name.startsWith('F')),
  )
  const main = instructions.slice(0, end < 0 ? undefined : end)
  const context = lowestUse(main) - 8
  if (context < -stackSize) return undefined
  return [
    stx('u64', r10, context, r1),
    ...main.map((instruction) =>
      instruction.code === EXIT ? { ...instruction, ...ja('program ends') } : instruction,
    ),
    label('program ends', mov32(r6, r0)),
    jgt32(r6, xdpActions.length - 1, 'action is final'),
    mov32(r1, 1),
    lsh32(r1, r6),
    and32(r1, actionBits(actions)),
    jeq32(r1, 0, 'action is final'),
    ldx('u64', r1, r10, context),
    ldMapFd(r2, next),
    mov(r3, 0),
    call('tail_call'),
    // There is no next one.
    label('action is final', mov(r0, r6)),
    exit(),
    ...instructions.slice(main.length),
  ]
}

/**
 * The lowest part of the stack that the program uses, from its top, in steps of 8 bytes. Addresses are made by adding to
 * r10; adding to other things may make this too low, which does no harm.
 */
function lowestUse(main: readonly Instruction[]): number {
  let lowest = 0
  for (const { code, dst, src, offset, imm } of main) {
    const group = code & 7
    if ((group === BPF_LDX && src === 10) || ((group === BPF_ST || group === BPF_STX) && dst === 10))
      lowest = Math.min(lowest, offset)
    else if (group === BPF_ALU64 && (code === ADD || code === SUB)) {
      const added = code === ADD ? Number(imm) : -Number(imm)
      if (added >= -stackSize) lowest = Math.min(lowest, added)
    }
  }
  return Math.floor(lowest / 8) * 8
}
