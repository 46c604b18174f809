// Colors the graph of a function's registers, so that those which are needed at the same time differ.
import type { Graph, Pairs } from './interference.js'
import type { Reg } from './ir.js'

/** Calls destroy r0 to r5, and keep r6 to r9. Colors are tried in this order. */
const colors = [1, 2, 3, 4, 5, 0, 6, 7, 8, 9]

/** A color for each register, or the register that has to go to the stack first. */
export type Colored = { readonly where: ReadonlyMap<Reg, number> } | { readonly spill: Reg }

/** @param short - registers that live too briefly to be spilled again */
export function color(graph: Graph, short: ReadonlySet<Reg>): Colored {
  // Copies get the same register where that works. If it does not, they are colored separately.
  const joined = new Coloring(graph, short, true)
  if (joined.failed.length === 0) return { where: joined.places() }
  const apart = new Coloring(graph, short, false)
  return apart.failed.length === 0 ? { where: apart.places() } : { spill: apart.chooseSpill() }
}

/** How many colors are left besides those that are forbidden. */
function roomOf(forbidden: number): number {
  let room = 0
  for (const color of colors) if ((forbidden & (1 << color)) === 0) room++
  return room
}

/**
 * Nodes are registers, or groups of registers that get the same place; the number of one member then stands for the
 * group.
 */
class Coloring {
  /** Nodes for which there was no color. */
  readonly failed: number[] = []
  readonly #graph: Graph
  readonly #short: ReadonlySet<Reg>
  /** The node that each node was merged into, or -1. */
  readonly #joined: Int32Array
  readonly #members: number[][]
  /** The neighbors of each node. Nodes that were merged into others stay in the lists. */
  readonly #next: readonly (readonly number[])[]
  /** How many neighbors each has. */
  readonly #degrees: number[]
  readonly #forbidden: number[]
  readonly #rooms: number[]
  readonly #where: Int32Array
  /** Whether one of the node's members would prefer a color. */
  readonly #wishes: boolean[]
  /** How much each color would save. */
  readonly #scores = new Float64Array(colors.length)

  /** @param joins - makes one node of registers that are copies of each other, where that makes coloring no harder */
  constructor(graph: Graph, short: ReadonlySet<Reg>, joins: boolean) {
    const { next, regs } = graph
    this.#graph = graph
    this.#short = short
    this.#joined = new Int32Array(regs.length).fill(-1)
    this.#where = new Int32Array(regs.length).fill(-1)
    this.#members = regs.map((_, node) => [node])
    this.#degrees = next.map(({ length }) => length)
    this.#forbidden = [...graph.forbidden]
    this.#rooms = graph.forbidden.map(roomOf)
    this.#wishes = graph.wishes.map(({ length }) => length > 0)
    this.#next = joins ? this.#join() : next
    this.#select(this.#simplify(), joins)
  }

  places(): Map<Reg, number> {
    const { regs } = this.#graph
    return new Map(regs.map((reg, node) => [reg, this.#where[this.#find(node)]!]))
  }

  /** What to keep on the stack: the cheapest of the nodes that found no color, or of their neighbors. */
  chooseSpill(): Reg {
    const canBe = (node: number): boolean => this.#joined[node] === -1 && !this.#isShort(node)
    const cost = (node: number): number => this.#cost(node) / (this.#degrees[node]! + 1)
    let candidates = this.failed.filter(canBe)
    if (candidates.length === 0)
      candidates = [...new Set(this.failed.flatMap((node) => this.#next[node]!))].filter(canBe)
    if (candidates.length === 0) throw new RangeError('an expression needs more registers than there are')
    return this.#graph.regs[candidates.reduce((a, b) => (cost(b) < cost(a) ? b : a))]!
  }

  #isShort(node: number): boolean {
    return this.#members[node]!.some((one) => this.#short.has(this.#graph.regs[one]!))
  }

  #cost(node: number): number {
    return this.#members[node]!.reduce((sum, one) => sum + this.#graph.costs[one]!, 0)
  }

  // ---- Joining

  #join(): number[][] {
    const next = this.#graph.next.map((list) => [...list])
    const pairs = this.#graph.pairs.copy()
    for (const { a, b } of [...this.#graph.affinities].sort((x, y) => y.weight - x.weight)) {
      const [x, y] = [this.#find(a), this.#find(b)]
      if (x !== y && !pairs.has(x, y) && this.#isEasy(x, y, next, pairs)) this.#unite(x, y, next, pairs)
    }
    return next
  }

  #find(node: number): number {
    let at = node
    for (let next = this.#joined[at]!; next !== -1; next = this.#joined[at]!) at = next
    return at
  }

  #isEasy(x: number, y: number, next: readonly number[][], pairs: Pairs): boolean {
    const room = roomOf(this.#forbidden[x]! | this.#forbidden[y]!)
    let hard = 0
    for (const node of next[x]!) {
      if (this.#joined[node] !== -1) continue
      if (this.#degrees[node]! - (pairs.has(y, node) ? 1 : 0) >= this.#rooms[node]!) hard++
    }
    for (const node of next[y]!) {
      if (this.#joined[node] !== -1 || pairs.has(x, node)) continue
      if (this.#degrees[node]! >= this.#rooms[node]!) hard++
    }
    return hard < room
  }

  #unite(x: number, y: number, next: readonly number[][], pairs: Pairs): void {
    for (const node of next[y]!) {
      if (this.#joined[node] !== -1) continue
      if (pairs.has(x, node)) this.#degrees[node]!--
      else {
        pairs.add(x, node)
        next[x]!.push(node)
        next[node]!.push(x)
        this.#degrees[x]!++
      }
    }
    this.#members[x]!.push(...this.#members[y]!)
    this.#forbidden[x]! |= this.#forbidden[y]!
    this.#rooms[x] = roomOf(this.#forbidden[x]!)
    this.#wishes[x] ||= this.#wishes[y]!
    this.#joined[y] = x
  }

  // ---- Coloring

  /** The order in which nodes are left out: first those that will find a color whatever the others get. */
  #simplify(): number[] {
    const count = this.#joined.length
    const degrees = this.#degrees.slice()
    const rooms = this.#rooms
    const isLeft = new Uint8Array(count)
    const costs = new Float64Array(count)
    const easy: number[] = []
    let left = 0
    for (let node = 0; node < count; node++) {
      if (this.#joined[node] !== -1) continue
      isLeft[node] = 1
      left++
      costs[node] = this.#isShort(node) ? Number.POSITIVE_INFINITY : this.#cost(node)
      if (degrees[node]! < rooms[node]!) easy.push(node)
    }
    /** The node whose loads and stores cost the least for each neighbor that becomes easier to color. */
    const cheapest = (): number => {
      let best = -1
      let least = 0
      for (let node = 0; node < count; node++) {
        if (isLeft[node] === 0) continue
        const cost = costs[node]! / (degrees[node]! + 1)
        if (best !== -1 && cost >= least) continue
        best = node
        least = cost
      }
      return best
    }
    const order: number[] = []
    for (; left > 0; left--) {
      let node = easy.pop()
      while (node !== undefined && isLeft[node] === 0) node = easy.pop()
      node ??= cheapest()
      isLeft[node] = 0
      order.push(node)
      for (const next of this.#next[node]!) {
        if (isLeft[next] === 0) continue
        degrees[next]!--
        if (degrees[next]! < rooms[next]!) easy.push(next)
      }
    }
    return order
  }

  /** Gives nodes their colors, the last one first. @param isOver - whether to stop at the first node that finds none */
  #select(order: readonly number[], isOver: boolean): void {
    for (let i = order.length - 1; i >= 0 && !(isOver && this.failed.length > 0); i--) {
      const node = order[i]!
      let taken = this.#forbidden[node]!
      for (const next of this.#next[node]!) {
        const own = this.#where[next]!
        if (own !== -1) taken |= 1 << own
      }
      const color = this.#best(node, taken)
      if (color === undefined) this.failed.push(node)
      else this.#where[node] = color
    }
  }

  /** The color that saves most copies; undefined if none is left. */
  #best(node: number, taken: number): number | undefined {
    const scores = this.#scores
    if (roomOf(taken) > 1) this.#score(node)
    let best: number | undefined
    for (const color of colors) {
      if ((taken & (1 << color)) !== 0) continue
      if (best === undefined || scores[color]! > scores[best]!) best = color
    }
    return best
  }

  #score(node: number): void {
    const { wishes, partners } = this.#graph
    const scores = this.#scores.fill(0)
    for (const one of this.#members[node]!) {
      for (const { color, weight } of wishes[one]!) scores[color]! += weight
      for (const { node: other, weight } of partners[one]!) {
        const color = this.#where[this.#find(other)]!
        if (color !== -1) scores[color]! += weight
        // A copy that has no color yet may prefer one as well.
        else for (const wish of wishes[other]!) scores[wish.color]! += wish.weight / 2
      }
    }
    // A neighbor that has no color yet may prefer one, too.
    for (const next of this.#next[node]!) {
      if (!this.#wishes[next] || this.#where[next] !== -1 || this.#joined[next] !== -1) continue
      for (const one of this.#members[next]!)
        for (const { color, weight } of wishes[one]!) scores[color]! -= weight / 4
    }
  }
}
