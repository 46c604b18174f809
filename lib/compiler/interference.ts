// Which registers are needed at the same time, and which ones would best be the same.
import { type Block, endReads, liveOut } from './blocks.js'
import { type Operation, type Reg, read, written } from './ir.js'

/** r0 to r5, which calls destroy, as bits. */
const scratch = 0b111111

export interface Graph {
  readonly next: ReadonlyMap<Reg, Set<Reg>>
  /** Colors that a register cannot have, as bits. */
  readonly forbidden: ReadonlyMap<Reg, number>
  /** How often it is read and written. */
  readonly cost: ReadonlyMap<Reg, number>
  readonly affinities: readonly { readonly a: Reg; readonly b: Reg; readonly weight: number }[]
  readonly partners: ReadonlyMap<Reg, readonly { readonly reg: Reg; readonly weight: number }[]>
  /** Colors that would save a copy. */
  readonly wishes: ReadonlyMap<Reg, readonly { readonly color: number; readonly weight: number }[]>
}

/** The result is the same number, so both may be in one place. */
const isCopy = (operation: Operation): operation is Operation & { op: 'move' } =>
  operation.op === 'move' && operation.bits === 64

function append<T>(lists: Map<Reg, T[]>, reg: Reg, value: T): void {
  const list = lists.get(reg)
  if (list === undefined) lists.set(reg, [value])
  else list.push(value)
}

export function interference(blocks: readonly Block[], weights: ReadonlyMap<Block, number>): Graph {
  const next = new Map<Reg, Set<Reg>>()
  const forbidden = new Map<Reg, number>()
  const cost = new Map<Reg, number>()
  const affinities: { a: Reg; b: Reg; weight: number }[] = []
  const partners = new Map<Reg, { reg: Reg; weight: number }[]>()
  const wishes = new Map<Reg, { color: number; weight: number }[]>()
  const node = (reg: Reg): Set<Reg> => {
    const known = next.get(reg)
    if (known !== undefined) return known
    const made = new Set<Reg>()
    next.set(reg, made)
    return made
  }
  const like = (a: Reg, b: Reg, weight: number): void => {
    if (a === b) return
    affinities.push({ a, b, weight })
    append(partners, a, { reg: b, weight })
    append(partners, b, { reg: a, weight })
  }
  const wish = (reg: Reg, color: number, weight: number): void => append(wishes, reg, { color, weight })
  const forbid = (reg: Reg, bits: number): void => void forbidden.set(reg, (forbidden.get(reg) ?? 0) | bits)

  /** Where operations would best have their registers. */
  const prefer = (operation: Operation, weight: number): void => {
    switch (operation.op) {
      case 'move':
        like(operation.d, operation.s, weight)
        break
      case 'alu':
      case 'neg':
      case 'be':
      case 'sext':
        like(operation.d, operation.a, weight)
        break
      case 'param':
        wish(operation.d, operation.index + 1, weight)
        break
      case 'call':
        if (operation.d !== undefined) wish(operation.d, 0, weight)
        for (const [i, arg] of operation.args.entries()) if ('reg' in arg) wish(arg.reg, i + 1, weight)
    }
  }

  const out = liveOut(blocks)
  for (const block of blocks) {
    const weight = weights.get(block) ?? 1
    const live = new Set(out.get(block)!)
    for (const reg of endReads(block)) {
      live.add(reg)
      node(reg)
      cost.set(reg, (cost.get(reg) ?? 0) + weight)
    }
    if (block.end.kind === 'return' && block.end.value !== undefined) wish(block.end.value, 0, weight)
    /** Arguments that are still in their registers. */
    let arriving = 0
    for (const operation of block.ops.toReversed()) {
      const d = written(operation)
      if (d !== undefined) {
        const own = node(d)
        for (const reg of live) {
          if (reg === d || (isCopy(operation) && reg === operation.s)) continue
          own.add(reg)
          node(reg).add(d)
        }
        live.delete(d)
        cost.set(d, (cost.get(d) ?? 0) + weight)
      }
      if (operation.op === 'call') for (const reg of live) forbid(reg, scratch)
      if (operation.op === 'param') {
        forbid(operation.d, arriving)
        arriving |= 1 << (operation.index + 1)
      }
      for (const reg of read(operation)) {
        live.add(reg)
        node(reg)
        cost.set(reg, (cost.get(reg) ?? 0) + weight)
      }
      prefer(operation, weight)
    }
  }
  return { next, forbidden, cost, affinities, partners, wishes }
}
