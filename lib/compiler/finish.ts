// From operations to instructions: what is the same for programs and for the functions that they call.
import type { Instruction } from '../asm/instruction.js'
import { allocate } from './allocate.js'
import { stackSize } from './builder.js'
import { emit } from './emit.js'
import { expectAllAllowed } from './helpers/allowed.js'
import type { Operation } from './ir.js'
import type { KernelMemory } from './kernel-memory.js'
import { optimize } from './optimize.js'
import type { Located } from './source.js'

/** The kernel counts the stack of a function in steps of this many bytes. */
const stackStep = 32

/**
 * Optimizes a function, chooses its registers and makes its instructions.
 *
 * @param calleeStack - bytes that the functions which it calls need
 * @param isChecked - false for functions that the compiler writes for all kernels
 */
export function finish(
  builder: KernelMemory,
  node: Located,
  calleeStack: number,
  isChecked = true,
): { operations: readonly Operation[]; instructions: readonly Instruction[]; stack: number } {
  const operations = optimize(builder.list, builder.slots, builder.newReg)
  if (isChecked) expectAllAllowed(builder, operations)
  const allocation = allocate(operations, builder.newReg, builder.newSpill)
  const stack = Math.max(1, Math.ceil(builder.stack / stackStep)) * stackStep + calleeStack
  if (calleeStack > 0 && stack > stackSize) {
    builder.source.fail(
      node,
      `this needs ${stack} bytes of stack with the functions that it calls, and the kernel has ${stackSize}`,
      'Put what is large into a map, or into the record of a ring buffer.',
    )
  }
  return { operations, instructions: emit(allocation, builder.source), stack }
}
