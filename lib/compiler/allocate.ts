// Gives each register of a function one of the machine's, or a place on the stack.
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
import { type Graph, interference } from './interference.js'
import { type AluOperation, type Operation, type Reg, read, rename, written } from './ir.js'

/** Calls destroy r0 to r5, and keep r6 to r9. The first ones are taken first. */
const colors = [1, 2, 3, 4, 5, 0, 6, 7, 8, 9]

export interface Allocation {
  readonly operations: readonly Operation[]
  readonly where: ReadonlyMap<Reg, number>
}

/**
 * Colors the graph of registers that are needed at the same time. What finds no color goes to the stack, until all have one.
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
  /** What spilling has made lives too shortly to be spilled again. */
  const short = new Set<Reg>()
  for (;;) {
    const graph = interference(blocks, weights)
    const result = color(graph, short, true)
    const found = 'where' in result ? result : color(graph, short, false)
    if ('where' in found) return { operations: toList(blocks), where: found.where }
    for (const reg of found.spill) spill(blocks, reg, newReg, newSlot, short)
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

/** The machine's operations change their left side. So the result must not take the place of the right side before that is read. */
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
  // With the sides exchanged, the result can take the place of one that nobody needs any more.
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

// ---- Coloring

function color(
  graph: Graph,
  short: ReadonlySet<Reg>,
  joins: boolean,
): { where: Map<Reg, number> } | { spill: readonly Reg[] } {
  const nodes = new Nodes(graph, joins)
  const order: Reg[] = []
  const left = new Set(nodes.all())
  const degrees = new Map([...left].map((node) => [node, nodes.next(node).size]))
  const remove = (node: Reg): void => {
    left.delete(node)
    order.push(node)
    for (const next of nodes.next(node)) if (left.has(next)) degrees.set(next, degrees.get(next)! - 1)
  }
  const costs = new Map<Reg, number>()
  for (const node of left) {
    const isShort = nodes.members(node).some((reg) => short.has(reg))
    costs.set(node, isShort ? Number.POSITIVE_INFINITY : nodes.cost(node))
  }
  /** The one whose loads and stores cost least for each other node that it makes easier. */
  const cheapest = (): Reg | undefined => {
    let best: Reg | undefined
    let least = 0
    for (const node of left) {
      const cost = costs.get(node)! / (degrees.get(node)! + 1)
      if (best !== undefined && cost >= least) continue
      best = node
      least = cost
    }
    return best
  }
  const easy = [...left].filter((node) => degrees.get(node)! < nodes.room(node))
  while (left.size > 0) {
    let node = easy.pop()
    while (node !== undefined && !left.has(node)) node = easy.pop()
    node ??= cheapest()!
    remove(node)
    for (const next of nodes.next(node))
      if (left.has(next) && degrees.get(next)! < nodes.room(next)) easy.push(next)
  }
  const where = new Map<Reg, number>()
  const failed: Reg[] = []
  for (const node of order.toReversed()) {
    let taken = nodes.forbidden(node)
    for (const next of nodes.next(node)) {
      const own = where.get(next)
      if (own !== undefined) taken |= 1 << own
    }
    const free = colors.filter((one) => (taken & (1 << one)) === 0)
    if (free.length === 0) failed.push(node)
    else where.set(node, nodes.best(node, free, where))
  }
  if (failed.length === 0) return { where: nodes.spread(where) }
  return { spill: [chooseSpill(nodes, failed, short)] }
}

/** What to keep on the stack: the cheapest of what found no color, or of what stands around it. */
function chooseSpill(nodes: Nodes, failed: readonly Reg[], short: ReadonlySet<Reg>): Reg {
  const canBe = (node: Reg): boolean => !nodes.members(node).some((reg) => short.has(reg))
  const cost = (node: Reg): number => nodes.cost(node) / (nodes.next(node).size + 1)
  let candidates = failed.filter(canBe)
  if (candidates.length === 0)
    candidates = [...new Set(failed.flatMap((node) => [...nodes.next(node)]))].filter(canBe)
  if (candidates.length === 0) throw new RangeError('an expression needs more registers than there are')
  return candidates.reduce((a, b) => (cost(b) < cost(a) ? b : a))
}

/** How many colors are left without those that are forbidden. */
function roomOf(forbidden: number): number {
  let room = 0
  for (const color of colors) if ((forbidden & (1 << color)) === 0) room++
  return room
}

/** Registers, or several that get the same place. */
class Nodes {
  readonly #graph: Graph
  readonly #joined = new Map<Reg, Reg>()
  readonly #members = new Map<Reg, Reg[]>()
  readonly #next = new Map<Reg, Set<Reg>>()
  readonly #forbidden = new Map<Reg, number>()
  readonly #rooms = new Map<Reg, number>()

  /** @param joins - makes one node of registers that are copies of each other, where that makes coloring no harder */
  constructor(graph: Graph, joins: boolean) {
    this.#graph = graph
    for (const [reg, next] of graph.next) {
      this.#members.set(reg, [reg])
      this.#next.set(reg, joins ? new Set(next) : next)
      const forbidden = graph.forbidden.get(reg) ?? 0
      this.#forbidden.set(reg, forbidden)
      this.#rooms.set(reg, roomOf(forbidden))
    }
    if (joins) this.#join()
  }

  all(): Iterable<Reg> {
    return this.#members.keys()
  }

  next(node: Reg): ReadonlySet<Reg> {
    return this.#next.get(node)!
  }

  members(node: Reg): readonly Reg[] {
    return this.#members.get(node)!
  }

  forbidden(node: Reg): number {
    return this.#forbidden.get(node)!
  }

  /** How many colors a node could have. */
  room(node: Reg): number {
    return this.#rooms.get(node)!
  }

  cost(node: Reg): number {
    return this.members(node).reduce((sum, reg) => sum + (this.#graph.cost.get(reg) ?? 0), 0)
  }

  #join(): void {
    for (const { a, b } of [...this.#graph.affinities].sort((x, y) => y.weight - x.weight)) {
      const [x, y] = [this.#find(a), this.#find(b)]
      if (x !== y && !this.next(x).has(y) && this.#isEasy(x, y)) this.#unite(x, y)
    }
  }

  #find(reg: Reg): Reg {
    let at = reg
    for (let next = this.#joined.get(at); next !== undefined; next = this.#joined.get(at)) at = next
    return at
  }

  #isEasy(x: Reg, y: Reg): boolean {
    const room = roomOf(this.forbidden(x) | this.forbidden(y))
    const [own, theirs] = [this.next(x), this.next(y)]
    let hard = 0
    for (const node of own) if (this.next(node).size - (theirs.has(node) ? 1 : 0) >= this.room(node)) hard++
    for (const node of theirs) if (!own.has(node) && this.next(node).size >= this.room(node)) hard++
    return hard < room
  }

  #unite(x: Reg, y: Reg): void {
    const own = this.#next.get(x)!
    for (const node of this.next(y)) {
      own.add(node)
      const theirs = this.#next.get(node)!
      theirs.delete(y)
      theirs.add(x)
    }
    this.#members.get(x)!.push(...this.members(y))
    const forbidden = this.forbidden(x) | this.forbidden(y)
    this.#forbidden.set(x, forbidden)
    this.#rooms.set(x, roomOf(forbidden))
    this.#joined.set(y, x)
    this.#next.delete(y)
    this.#members.delete(y)
    this.#forbidden.delete(y)
  }

  /** The color that saves most copies. */
  best(node: Reg, free: readonly number[], where: ReadonlyMap<Reg, number>): number {
    const score = new Map<number, number>()
    const add = (color: number | undefined, weight: number): void => {
      if (color !== undefined) score.set(color, (score.get(color) ?? 0) + weight)
    }
    for (const reg of this.members(node)) {
      for (const { color, weight } of this.#graph.wishes.get(reg) ?? []) add(color, weight)
      for (const { reg: other, weight } of this.#graph.partners.get(reg) ?? []) {
        add(where.get(this.#find(other)), weight)
        // A copy that has no color yet may want one as well.
        if (!where.has(this.#find(other)))
          for (const wish of this.#graph.wishes.get(other) ?? []) add(wish.color, wish.weight / 2)
      }
    }
    // What stands beside it and has no color yet may want one, too.
    for (const next of this.next(node)) {
      if (where.has(next)) continue
      for (const reg of this.members(next))
        for (const { color, weight } of this.#graph.wishes.get(reg) ?? []) add(color, -weight / 4)
    }
    return free.reduce((a, b) => ((score.get(b) ?? 0) > (score.get(a) ?? 0) ? b : a))
  }

  spread(where: ReadonlyMap<Reg, number>): Map<Reg, number> {
    return new Map(
      [...where].flatMap(([node, color]) => this.members(node).map((reg) => [reg, color] as const)),
    )
  }
}

// ---- Spilling

/** Keeps a register on the stack: it is loaded before each use, and stored after it is written. What is cheap to make is made again. */
function spill(
  blocks: readonly Block[],
  reg: Reg,
  newReg: () => Reg,
  newSlot: () => number,
  short: Set<Reg>,
): void {
  const again = cheapDefinition(blocks, reg)
  const offset = again === undefined ? newSlot() : 0
  const load = (own: Reg, at: number): Operation =>
    again === undefined
      ? { op: 'load', d: own, base: 'frame', offset, size: 8, at }
      : ({ ...again, d: own, at } as Operation)
  for (const block of blocks) {
    block.ops = block.ops.flatMap((operation): Operation[] => {
      const isRead = read(operation).includes(reg)
      const isWritten = written(operation) === reg
      if (!isRead && !isWritten) return [operation]
      if (isWritten && again !== undefined) return []
      const own = newReg()
      short.add(own)
      const swap = (one: Reg): Reg => (one === reg ? own : one)
      const { at } = operation
      const list: Operation[] = isRead ? [load(own, at)] : []
      list.push(rename(operation, swap, swap))
      if (isWritten) list.push({ op: 'store', base: 'frame', offset, size: 8, value: { reg: own }, at })
      return list
    })
    if (!endReads(block).includes(reg)) continue
    const own = newReg()
    short.add(own)
    block.ops.push(load(own, block.ops.at(-1)?.at ?? 0))
    block.end = renameEnd(block.end, (one) => (one === reg ? own : one))
  }
}

/** The one operation that makes a register, if it is as cheap as loading it from the stack. */
function cheapDefinition(blocks: readonly Block[], reg: Reg): Operation | undefined {
  const [only, ...others] = blocks.flatMap(({ ops }) => ops.filter((operation) => written(operation) === reg))
  const isCheap = only !== undefined && ['const', 'frame', 'symbol'].includes(only.op)
  return isCheap && others.length === 0 ? only : undefined
}
