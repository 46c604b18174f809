// Makes a function shorter without changing what it does.
import { type Block, type End, endReads, inOrder, liveOut, predecessors, toBlocks, toList } from './blocks.js'
import { isPure, type Operation, type Reg, read, written } from './ir.js'
import { Propagation } from './propagate.js'
import { type Slot, Slots } from './slots.js'

/** The most rounds: each finds less than the one before. */
const mostRounds = 12

export function optimize(
  operations: readonly Operation[],
  slots: readonly Slot[],
  newReg: () => Reg,
): Operation[] {
  let blocks = oneReturn(toBlocks(operations), newReg)
  for (let round = 0; round < mostRounds; round++) {
    const places = new Slots(slots, blocks)
    const propagation = new Propagation(blocks, places)
    const threaded = thread(blocks, propagation)
    blocks = merge(inOrder(blocks))
    const removed = removeUnused(blocks, places)
    if (!propagation.changed && !threaded && !removed) break
  }
  const result = merge(inOrder(skipEmpty(shareEnds(blocks))))
  extendLoads(result)
  return toList(result)
}

/** Replaces a load and a sign extension to 64 bits right after it by one load that extends the sign. */
function extendLoads(blocks: readonly Block[]): void {
  const reads = new Map<Reg, number>()
  const count = (reg: Reg): unknown => reads.set(reg, (reads.get(reg) ?? 0) + 1)
  for (const block of blocks) for (const reg of [...block.ops.flatMap(read), ...endReads(block)]) count(reg)
  for (const block of blocks) {
    block.ops = block.ops.flatMap((operation, i): Operation[] => {
      const [before, next] = [block.ops[i - 1], block.ops[i + 1]]
      if (isExtended(before, operation, reads)) return []
      if (next?.op !== 'sext' || operation.op !== 'load' || !isExtended(operation, next, reads))
        return [operation]
      return [{ ...operation, d: next.d, isSigned: true }]
    })
  }
}

function isExtended(load: Operation | undefined, sext: Operation, reads: ReadonlyMap<Reg, number>): boolean {
  if (load?.op !== 'load' || sext.op !== 'sext' || load.core !== undefined || load.inArena) return false
  return sext.bits === 64 && sext.a === load.d && sext.from === load.size * 8 && reads.get(load.d) === 1
}

/** Makes one place where the function returns, so that paths to it that do the same can be merged. */
function oneReturn(blocks: Block[], newReg: () => Reg): Block[] {
  const returns = blocks.filter(({ end }) => end.kind === 'return')
  const [first] = returns
  if (first === undefined || returns.length < 2) return blocks
  const { value, at } = first.end as End & { kind: 'return' }
  const reg = value === undefined ? undefined : newReg()
  const last: Block = { ops: [], end: { kind: 'return', value: reg, at } }
  for (const block of returns) {
    const { value, at } = block.end as End & { kind: 'return' }
    if (value !== undefined) block.ops.push({ op: 'move', d: reg!, s: value, bits: 64, at })
    block.end = { kind: 'jump', to: last }
  }
  return [...blocks, last]
}

/** The block at the end of a chain of blocks that only jump. */
function throughEmpty(block: Block): Block {
  const seen = new Set<Block>()
  let at = block
  while (at.ops.length === 0 && at.end.kind === 'jump' && !seen.has(at)) {
    seen.add(at)
    at = at.end.to
  }
  return at
}

/** Goes past blocks that only jump. */
function skipEmpty(blocks: readonly Block[]): readonly Block[] {
  for (const block of blocks) {
    const { end } = block
    if (end.kind === 'jump') block.end = { ...end, to: throughEmpty(end.to) }
    if (end.kind === 'branch') block.end = { ...end, to: throughEmpty(end.to), next: throughEmpty(end.next) }
  }
  return blocks
}

/** Jumps straight to where a block that only compares would go, wherever the outcome is already known. */
function thread(blocks: readonly Block[], facts: Propagation): boolean {
  let changed = false
  const destination = (from: Block, to: Block): Block => {
    let at = throughEmpty(to)
    for (let steps = 0; steps < 8; steps++) {
      const { end, ops } = at
      if (ops.length > 0 || end.kind !== 'branch' || end.branch.op !== 'branch') break
      const outcome = facts.outcomeBetween(from, to, end.branch)
      if (outcome === undefined) break
      at = throughEmpty(outcome ? end.to : end.next)
    }
    return at
  }
  for (const block of blocks) {
    const { end } = block
    if (end.kind === 'return') continue
    const to = destination(block, end.to)
    const next = end.kind === 'branch' ? destination(block, end.next) : undefined
    if (to === end.to && (end.kind === 'jump' || next === end.next)) continue
    block.end = end.kind === 'jump' ? { ...end, to } : { ...end, to, next: next! }
    changed = true
  }
  return changed
}

/** Makes one block of two that always follow each other. */
function merge(blocks: readonly Block[]): Block[] {
  const before = predecessors(blocks)
  const gone = new Set<Block>()
  for (const block of blocks) {
    if (gone.has(block)) continue
    while (block.end.kind === 'jump') {
      const { to } = block.end
      if (to === block || to === blocks[0] || before.get(to)!.length > 1) break
      block.ops = [...block.ops, ...to.ops]
      block.end = to.end
      gone.add(to)
    }
  }
  return blocks.filter((block) => !gone.has(block))
}

/** Removes operations whose results are never read. */
function removeUnused(blocks: readonly Block[], slots: Slots): boolean {
  const out = liveOut(blocks)
  let removed = false
  for (const block of blocks) {
    const needed = new Set(out.get(block)!)
    for (const reg of endReads(block)) needed.add(reg)
    const kept: Operation[] = []
    for (const operation of block.ops.toReversed()) {
      const reg = written(operation)
      const isCopy = operation.op === 'move' && operation.bits === 64 && operation.d === operation.s
      const isUnread = reg !== undefined && !needed.has(reg)
      const isLost =
        operation.op === 'store' && operation.base === 'frame' && slots.isUnused(operation.offset)
      if (isCopy || (isPure(operation) && isUnread) || isLost) {
        removed = true
        continue
      }
      if (reg !== undefined) needed.delete(reg)
      for (const one of read(operation)) needed.add(one)
      kept.push(operation.op === 'call' && isUnread ? { ...operation, d: undefined } : operation)
    }
    block.ops = kept.reverse()
  }
  return removed
}

const keyOf = (operation: Operation): string =>
  JSON.stringify(operation, (name, value: unknown) =>
    name === 'at' ? undefined : typeof value === 'bigint' ? `${value}n` : value,
  )

/**
 * Where several blocks end with the same operations and continue at the same place, keeps these operations only once.
 */
function shareEnds(blocks: readonly Block[]): Block[] {
  const made: Block[] = []
  const groups = new Map<Block, Map<string, Block[]>>()
  for (const block of blocks) {
    const last = block.ops.at(-1)
    if (block.end.kind !== 'jump' || last === undefined) continue
    const group = groups.get(block.end.to) ?? new Map<string, Block[]>()
    groups.set(block.end.to, group)
    group.set(keyOf(last), [...(group.get(keyOf(last)) ?? []), block])
  }
  for (const [to, group] of groups) {
    for (const same of group.values()) {
      const [first, ...others] = same
      if (others.length === 0) continue
      let length = 1
      const at = ({ ops }: Block): string | undefined => {
        const operation = ops.at(-1 - length)
        return operation && keyOf(operation)
      }
      while (at(first!) !== undefined && others.every((one) => at(one) === at(first!))) length++
      const whole = same.find((one) => one.ops.length === length && one !== blocks[0])
      const shared: Block = whole ?? { ops: first!.ops.slice(-length), end: { kind: 'jump', to } }
      if (whole === undefined) made.push(shared)
      for (const block of same) {
        if (block === shared) continue
        block.ops = block.ops.slice(0, -length)
        block.end = { kind: 'jump', to: shared }
      }
    }
  }
  return [...blocks, ...made]
}
