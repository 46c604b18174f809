// An object's functions in the form in which they run: jumps are indexes, and names in the object file are addresses.
import type { Instruction, SourceLine, SymbolReference } from '../asm/instruction.js'
import { BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL, callCode, ldImm64Code } from '../asm/isa.js'
import type { ObjectFunction } from '../asm/object-reader.js'

/** One instruction. */
export interface Op {
  readonly code: number
  readonly dst: number
  readonly src: number
  readonly offset: number
  /** All 64 bits; a 32-bit immediate is sign-extended. */
  readonly imm: bigint
  /** The index that a jump goes to, or the number of the function that is called; else -1. */
  readonly to: number
  readonly line: SourceLine | undefined
}

export interface LinkedFunction {
  readonly name: string
  readonly number: number
  readonly ops: readonly Op[]
  /** Why the program cannot run: it names something that the object does not have. It has no instructions then. */
  readonly problem?: string
}

/** Gives the addresses that instructions refer to. */
export interface Resolver {
  symbol(reference: SymbolReference): bigint
  /** The address of a function, for helpers that call back. */
  functionAddress(number: number): bigint
}

/**
 * Links the functions of an object. A program that cannot be linked does not keep others from running.
 *
 * @throws RangeError if an instruction of a function names something that the object does not have
 */
export function link(functions: readonly ObjectFunction[], resolver: Resolver): LinkedFunction[] {
  const numbers = new Map(functions.map(({ name }, number) => [name, number]))
  return functions.map(({ name, instructions, isProgram }, number) => {
    const labels = new Map(instructions.flatMap(({ labels = [] }, i) => labels.map((label) => [label, i])))
    try {
      const ops = instructions.map((instruction) => linkOne(name, instruction, labels, numbers, resolver))
      return { name, number, ops }
    } catch (error) {
      if (!isProgram || !(error instanceof RangeError)) throw error
      return { name, number, ops: [], problem: error.message }
    }
  })
}

function linkOne(
  name: string,
  { code, dst, src, offset, imm, target, symbol, line }: Instruction,
  labels: ReadonlyMap<string, number>,
  functions: ReadonlyMap<string, number>,
  resolver: Resolver,
): Op {
  const op = { code, dst, src, offset, imm: BigInt.asIntN(64, BigInt(imm)), to: -1, line }
  if (symbol?.kind === 'kfunc') {
    return { ...op, src: BPF_PSEUDO_KFUNC_CALL, imm: resolver.symbol(symbol) }
  }
  if (symbol !== undefined) return { ...op, src: 0, imm: BigInt.asIntN(64, resolver.symbol(symbol)) }
  if (target === undefined) return op
  const isCall = code === callCode && src === BPF_PSEUDO_CALL
  if (!isCall && code !== ldImm64Code) {
    const to = labels.get(target)
    if (to === undefined) throw new RangeError(`'${name}' jumps to '${target}', which is not in it`)
    return { ...op, to }
  }
  const to = functions.get(target)
  if (to === undefined)
    throw new RangeError(`'${name}' refers to the function '${target}', which the object does not have`)
  return isCall ? { ...op, to } : { ...op, src: 0, imm: BigInt.asIntN(64, resolver.functionAddress(to)) }
}
