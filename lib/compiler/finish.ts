// From operations to instructions: what is the same for programs and for the functions that they call.
import { pointer, voidType } from '../asm/c-types.js'
import type { Instruction } from '../asm/instruction.js'
import { allocate } from './allocate.js'
import { stackSize } from './builder.js'
import { emit } from './emit.js'
import { expectAllAllowed } from './helpers/allowed.js'
import type { Operation } from './ir.js'
import type { KernelMemory } from './kernel-memory.js'
import { optimize } from './optimize.js'
import { type LoopFunction, outlineLoops } from './outline.js'
import type { Located } from './source.js'
import { functionType } from './subprograms.js'
import { cTypeOf, s64, u32 } from './types.js'

/** The kernel counts the stack of a function in steps of this many bytes. */
const stackStep = 32

/**
 * Optimizes a function, chooses its registers and makes its instructions.
 *
 * @param ownCalleeStack - bytes of stack that the functions it calls need
 * @param isChecked - false for functions that the compiler itself writes, for all kernels
 */
export function finish(
  builder: KernelMemory,
  node: Located,
  ownCalleeStack: number,
  isChecked = true,
): { operations: readonly Operation[]; instructions: readonly Instruction[]; stack: number } {
  const { list, functions } = outlined(builder)
  const operations = withContextFromRegisters(optimize(list, builder.slots, builder.newReg), builder)
  if (isChecked) expectAllAllowed(builder, operations)
  let calleeStack = ownCalleeStack
  for (const one of functions) calleeStack = addLoop(builder, one, calleeStack, isChecked)
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

/** Kernels before 6.4 do not let a program store a constant into its context, only a register. */
function withContextFromRegisters(
  operations: readonly Operation[],
  { context, newReg }: KernelMemory,
): readonly Operation[] {
  return operations.flatMap((operation): Operation[] => {
    if (operation.op !== 'store' || operation.base !== context || 'reg' in operation.value) return [operation]
    const d = newReg()
    const value = BigInt.asUintN(64, BigInt(operation.value.imm))
    return [
      { op: 'const', d, value, at: operation.at },
      { ...operation, value: { reg: d } },
    ]
  })
}

/** The function without the loops that become functions of their own. */
function outlined(builder: KernelMemory): { list: readonly Operation[]; functions: readonly LoopFunction[] } {
  const { list, countedLoops, unit, program } = builder
  if (countedLoops.length === 0) return { list, functions: [] }
  const found = outlineLoops(list, countedLoops, {
    newReg: builder.newReg,
    newSlot: builder.newSpill,
    newName: () => `${program.name}__loop${unit.newLoop()}`,
  })
  return { list: found.operations, functions: found.functions }
}

/** Adds the function of a loop, and returns the stack that all of them need so far: one may call another. */
function addLoop(
  builder: KernelMemory,
  { name, operations: list }: LoopFunction,
  calleeStack: number,
  isChecked: boolean,
): number {
  const { newReg, source, unit } = builder
  const operations = optimize(list, [], newReg)
  if (isChecked) expectAllAllowed(builder, operations)
  let own = 0
  const allocation = allocate(operations, newReg, () => {
    own += 8
    return -own
  })
  const stack = Math.max(1, Math.ceil(own / stackStep)) * stackStep + calleeStack
  const type = functionType(s64, { round: cTypeOf(u32), stack: pointer(voidType) })
  unit.functions.set(name, {
    name,
    type,
    operations,
    instructions: emit(allocation, source),
    stack,
    after: new Map(),
    source: name,
  })
  return stack
}
