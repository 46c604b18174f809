// Which registers are needed at the same time, and which ones would best be the same.
import { type Block, endReads } from './blocks.js'
import { type Operation, type Reg, read, written } from './ir.js'

/** r0 to r5, which calls destroy, as bits. */
const scratch = 0b111111

/** Registers as nodes, which are numbered without gaps in the order in which they are encountered. */
export interface Graph {
  readonly regs: readonly Reg[]
  /** The nodes that are needed at the same time as each one. */
  readonly next: readonly (readonly number[])[]
  /** The same as a table. */
  readonly pairs: Pairs
  /** Colors that a node cannot have, as bits. */
  readonly forbidden: readonly number[]
  /** How often each is read and written. */
  readonly costs: readonly number[]
  readonly affinities: readonly { readonly a: number; readonly b: number; readonly weight: number }[]
  readonly partners: readonly (readonly { readonly node: number; readonly weight: number }[])[]
  /** Colors that would save a copy. */
  readonly wishes: readonly (readonly { readonly color: number; readonly weight: number }[])[]
}

/** Pairs of nodes: a bit for each, in half of a square. */
export class Pairs {
  #bits: Uint32Array

  constructor(bits = new Uint32Array(256)) {
    this.#bits = bits
  }

  has(a: number, b: number): boolean {
    const at = a > b ? (a * (a - 1)) / 2 + b : (b * (b - 1)) / 2 + a
    const word = at >>> 5
    return word < this.#bits.length && (this.#bits[word]! & (1 << (at & 31))) !== 0
  }

  add(a: number, b: number): void {
    const at = a > b ? (a * (a - 1)) / 2 + b : (b * (b - 1)) / 2 + a
    const word = at >>> 5
    if (word >= this.#bits.length) {
      const larger = new Uint32Array(Math.max(word + 1, this.#bits.length * 2))
      larger.set(this.#bits)
      this.#bits = larger
    }
    this.#bits[word]! |= 1 << (at & 31)
  }

  copy(): Pairs {
    return new Pairs(this.#bits.slice())
  }
}

/** The result is the same number, so both registers may be in one place. */
const isCopy = (operation: Operation): operation is Operation & { op: 'move' } =>
  operation.op === 'move' && operation.bits === 64

/**
 * @param out - the registers whose values are needed after each block
 * @param bound - a number that is greater than all registers
 */
export function interference(
  blocks: readonly Block[],
  out: ReadonlyMap<Block, ReadonlySet<Reg>>,
  weights: ReadonlyMap<Block, number>,
  bound: number,
): Graph {
  const nodes = new Int32Array(bound).fill(-1)
  const regs: Reg[] = []
  const next: number[][] = []
  const costs: number[] = []
  const partners: { node: number; weight: number }[][] = []
  const wishes: { color: number; weight: number }[][] = []
  const affinities: { a: number; b: number; weight: number }[] = []
  const pairs = new Pairs()
  const forbidden = new Int32Array(bound)
  const node = (reg: Reg): number => {
    const known = nodes[reg]!
    if (known >= 0) return known
    next.push([])
    costs.push(0)
    partners.push([])
    wishes.push([])
    nodes[reg] = regs.length
    return regs.push(reg) - 1
  }
  const like = (one: Reg, other: Reg, weight: number): void => {
    if (one === other) return
    const [a, b] = [node(one), node(other)]
    affinities.push({ a, b, weight })
    partners[a]!.push({ node: b, weight })
    partners[b]!.push({ node: a, weight })
  }
  const wish = (reg: Reg, color: number, weight: number): unknown =>
    wishes[node(reg)]!.push({ color, weight })

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

  const isLive = new Uint8Array(bound)
  for (const block of blocks) {
    const weight = weights.get(block) ?? 1
    const live = [...out.get(block)!]
    for (const reg of live) isLive[reg] = 1
    const use = (reg: Reg): void => {
      if (isLive[reg] === 0) live.push(reg)
      isLive[reg] = 1
      costs[node(reg)]! += weight
    }
    for (const reg of endReads(block)) use(reg)
    if (block.end.kind === 'return' && block.end.value !== undefined) wish(block.end.value, 0, weight)
    /** Arguments that are still in their registers. */
    let arriving = 0
    for (let i = block.ops.length - 1; i >= 0; i--) {
      const operation = block.ops[i]!
      const d = written(operation)
      if (d !== undefined) {
        const own = node(d)
        const same = isCopy(operation) ? operation.s : d
        for (const reg of live) {
          if (reg === d || reg === same) continue
          const other = node(reg)
          if (pairs.has(own, other)) continue
          pairs.add(own, other)
          next[own]!.push(other)
          next[other]!.push(own)
        }
        if (isLive[d] === 1) live.splice(live.indexOf(d), 1)
        isLive[d] = 0
        costs[own]! += weight
      }
      if (operation.op === 'call') for (const reg of live) forbidden[reg]! |= scratch
      if (operation.op === 'param') {
        forbidden[operation.d]! |= arriving
        arriving |= 1 << (operation.index + 1)
      }
      for (const reg of read(operation)) use(reg)
      prefer(operation, weight)
    }
    for (const reg of live) isLive[reg] = 0
  }
  return {
    regs,
    next,
    pairs,
    forbidden: regs.map((reg) => forbidden[reg]!),
    costs,
    affinities,
    partners,
    wishes,
  }
}
