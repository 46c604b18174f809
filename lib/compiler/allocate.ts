// Gives each register of a function one of the machine's registers, or a place on the stack.
import {
  type Block,
  endReads,
  liveOut,
  loopsOf,
  predecessors,
  renameEnd,
  toBlocks,
  toList,
} from './blocks.js'
import { color } from './coloring.js'
import { interference } from './interference.js'
import { type AluOperation, type Operation, type Reg, read, rename, written } from './ir.js'

export interface Allocation {
  readonly operations: readonly Operation[]
  readonly where: ReadonlyMap<Reg, number>
}

/**
 * Colors the graph of registers that are needed at the same time. Registers that find no color are moved to the stack,
 * until all others have one.
 *
 * @param newReg - makes a register
 * @param newSlot - makes room for one on the stack, and returns its offset from the stack's end
 */
export function allocate(
  operations: readonly Operation[],
  newReg: () => Reg,
  newSlot: () => number,
): Allocation {
  const blocks = toBlocks(operations)
  const weights = weightsOf(blocks)
  twoAddresses(blocks, newReg)
  const out = liveOut(blocks)
  /** Registers that spilling has made live too briefly to be spilled again. */
  const short = new Set<Reg>()
  const makeShort = (): Reg => {
    const reg = newReg()
    short.add(reg)
    return reg
  }
  for (;;) {
    // A new register has a greater number than all others.
    const found = color(interference(blocks, out, weights, newReg()), short)
    if ('where' in found) return { operations: toList(blocks), where: found.where }
    spill(blocks, found.spill, makeShort, newSlot)
    // Nothing else is needed at other places than before.
    for (const needed of out.values()) needed.delete(found.spill)
  }
}

/** How often a block runs, roughly: ten times as often for each loop that it is in. */
function weightsOf(blocks: readonly Block[]): Map<Block, number> {
  const weights = new Map(blocks.map((block) => [block, 1]))
  for (const body of loopsOf(blocks, predecessors(blocks)).values())
    for (const block of body) weights.set(block, weights.get(block)! * 10)
  return weights
}

const isCommutative = (operation: AluOperation): boolean =>
  ['add', 'mul', 'and', 'or', 'xor'].includes(operation)

/**
 * The machine's operations change their left side. So the result must not take the register of the right side before
 * that is read.
 */
function twoAddresses(blocks: readonly Block[], newReg: () => Reg): void {
  const out = liveOut(blocks)
  for (const block of blocks) {
    const needed = new Set(out.get(block)!)
    for (const reg of endReads(block)) needed.add(reg)
    const list: Operation[] = []
    for (const operation of block.ops.toReversed()) {
      list.push(...twoAddress(operation, needed, newReg).reverse())
      const reg = written(operation)
      if (reg !== undefined) needed.delete(reg)
      for (const one of read(operation)) needed.add(one)
    }
    block.ops = list.reverse()
  }
}

function twoAddress(original: Operation, needed: ReadonlySet<Reg>, newReg: () => Reg): Operation[] {
  if (original.op !== 'alu' || !('reg' in original.b)) return [original]
  let operation = original
  const { d, b, at } = original
  // With the sides exchanged, the result can take the place of a register that is no longer needed.
  const isBetter = b.reg === d || (needed.has(original.a) && !needed.has(b.reg))
  if (isBetter && original.a !== d && isCommutative(original.operation) && !original.isAddress)
    operation = { ...original, a: b.reg, b: { reg: original.a } }
  const { a } = operation
  if (a === d) return [operation]
  const to = 'reg' in operation.b && operation.b.reg === d ? newReg() : d
  const list: Operation[] = [
    { op: 'move', d: to, s: a, bits: 64, at },
    { ...operation, d: to, a: to },
  ]
  return to === d ? list : [...list, { op: 'move', d, s: to, bits: 64, at }]
}

// ---- Spilling

/**
 * Keeps a register on the stack: it is loaded before each use, and stored after it is written. A value that is cheap to
 * compute is computed again instead.
 */
function spill(blocks: readonly Block[], reg: Reg, newReg: () => Reg, newSlot: () => number): void {
  const again = cheapDefinition(blocks, reg)
  const offset = again === undefined ? newSlot() : 0
  const load = (own: Reg, at: number): Operation =>
    again === undefined
      ? { op: 'load', d: own, base: 'frame', offset, size: 8, at }
      : ({ ...again, d: own, at } as Operation)
  for (const block of blocks) {
    const isMeant = (operation: Operation): boolean =>
      written(operation) === reg || read(operation).includes(reg)
    if (block.ops.some(isMeant)) {
      block.ops = block.ops.flatMap((operation): Operation[] => {
        const isRead = read(operation).includes(reg)
        const isWritten = written(operation) === reg
        if (!isRead && !isWritten) return [operation]
        if (isWritten && again !== undefined) return []
        const own = newReg()
        const swap = (one: Reg): Reg => (one === reg ? own : one)
        const { at } = operation
        const list: Operation[] = isRead ? [load(own, at)] : []
        list.push(rename(operation, swap, swap))
        if (isWritten) list.push({ op: 'store', base: 'frame', offset, size: 8, value: { reg: own }, at })
        return list
      })
    }
    if (!endReads(block).includes(reg)) continue
    const own = newReg()
    block.ops.push(load(own, block.ops.at(-1)?.at ?? 0))
    block.end = renameEnd(block.end, (one) => (one === reg ? own : one))
  }
}

/** The one operation that makes a register, if it is as cheap as loading it from the stack. */
function cheapDefinition(blocks: readonly Block[], reg: Reg): Operation | undefined {
  let only: Operation | undefined
  for (const { ops } of blocks) {
    for (const operation of ops) {
      if (written(operation) !== reg) continue
      if (only !== undefined || !['const', 'frame', 'symbol'].includes(operation.op)) return undefined
      only = operation
    }
  }
  return only
}
