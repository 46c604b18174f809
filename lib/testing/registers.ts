import {
  aluOperations,
  atomicOperations,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_PSEUDO_CALL,
  BPF_ST,
  BPF_STX,
  BPF_X,
  callCode,
  jumpOperations,
  ldImm64Code,
} from '../asm/isa.js'
import type { LinkedFunction, Op } from './program.js'

/**
 * Whether one of the functions can read a register that it never wrote. The interpreter finds that out while it runs.
 * Compiled programs have no way to tell, so programs for which it is possible are interpreted.
 */
export function mayReadUnwritten(
  functions: readonly LinkedFunction[],
  isProgram: (fn: LinkedFunction) => boolean,
): boolean {
  // Functions that return nothing. A function that ends with the call of one of them returns nothing, too.
  const nothing = new Set<number>()
  for (let before = -1; before < nothing.size; ) {
    before = nothing.size
    for (const fn of functions) {
      const found = follow(fn, isProgram(fn) ? 0b10 : callerSaved, nothing)
      if (found.reads || (found.endsWithout && isProgram(fn))) return true
      if (found.endsWithout) nothing.add(fn.number)
    }
  }
  return false
}

/** Whether a function can read what it never wrote, and whether it can end without a value to return. */
function follow(
  { ops }: LinkedFunction,
  written: number,
  nothing: ReadonlySet<number>,
): { reads: boolean; endsWithout: boolean } {
  const atEntry = new Map<number, number>()
  const todo: [index: number, written: number][] = [[0, written | bit(10)]]
  let endsWithout = false
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    let [index, known] = next
    const before = atEntry.get(index)
    if (before !== undefined && (before & known) === before) continue
    known = before === undefined ? known : before & known
    atEntry.set(index, known)
    const op = ops[index]
    if (op === undefined) continue
    if ((reads(op) & ~known) !== 0) return { reads: true, endsWithout }
    const isExit = op.code === (BPF_JMP | jumpOperations.exit)
    if (isExit && (known & bit(0)) === 0) endsWithout = true
    let after = (known & ~destroys(op)) | writes(op)
    if (op.code === callCode && op.src === BPF_PSEUDO_CALL && nothing.has(op.to)) after &= ~bit(0)
    if (op.to >= 0 && op.code !== callCode) todo.push([op.to, after])
    if (!isExit && op.code !== BPF_JMP && op.code !== BPF_JMP32) todo.push([index + 1, after])
  }
  return { reads: false, endsWithout }
}

const bit = (register: number): number => 1 << register
const callerSaved = 0b111110

function reads({ code, dst, src, imm }: Op): number {
  const operation = code & 0xf0
  const right = (code & BPF_X) !== 0 ? bit(src) : 0
  switch (code & 7) {
    case BPF_ALU:
    case BPF_ALU64:
      if (operation === aluOperations.mov) return right
      return operation === aluOperations.neg || operation === aluOperations.end ? bit(dst) : bit(dst) | right
    case BPF_LD:
      return (code & 0xe0) === 0x40 ? bit(src) | bit(6) : code === ldImm64Code ? 0 : bit(6)
    case BPF_LDX:
      return bit(src)
    case BPF_ST:
      return bit(dst)
    case BPF_STX:
      if ((code & 0xe0) !== BPF_ATOMIC) return bit(dst) | bit(src)
      if (Number(imm) === BPF_LOAD_ACQ) return bit(src)
      return bit(dst) | bit(src) | (Number(imm) === atomicOperations.cmpxchg ? bit(0) : 0)
    default:
      if (code === callCode || operation === jumpOperations.exit) return 0
      return operation === jumpOperations.ja || operation === jumpOperations.jcond ? 0 : bit(dst) | right
  }
}

function writes({ code, dst, src, imm }: Op): number {
  switch (code & 7) {
    case BPF_ALU:
    case BPF_ALU64:
    case BPF_LDX:
      return bit(dst)
    case BPF_LD:
      return code === ldImm64Code ? bit(dst) : bit(0)
    case BPF_STX:
      if ((code & 0xe0) !== BPF_ATOMIC) return 0
      if (Number(imm) === BPF_LOAD_ACQ) return bit(dst)
      if (Number(imm) === atomicOperations.cmpxchg) return bit(0)
      return (Number(imm) & 1) !== 0 && Number(imm) < 0x100 ? bit(src) : 0
    default:
      return code === callCode ? bit(0) : 0
  }
}

function destroys({ code }: Op): number {
  const isPacketLoad = (code & 7) === BPF_LD && code !== ldImm64Code
  return code === callCode || isPacketLoad ? callerSaved : 0
}
