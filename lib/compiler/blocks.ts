// A function as basic blocks: operations without jumps, and where control goes after them.
import { inverse, isEnd, type Operand, type Operation, type Reg, read, written } from './ir.js'

export type Branch = Extract<Operation, { op: 'branch' | 'mayGoto' }>

export type End =
  | { readonly kind: 'jump'; readonly to: Block }
  /** Goes to `to` if it holds, and else to `next`. */
  | { readonly kind: 'branch'; readonly branch: Branch; readonly to: Block; readonly next: Block }
  | { readonly kind: 'return'; readonly value: Reg | undefined; readonly at: number }

export interface Block {
  ops: Operation[]
  end: End
}

/** The blocks that may follow. */
export function successors({ end }: Block): Block[] {
  if (end.kind === 'return') return []
  return end.kind === 'jump' ? [end.to] : [end.next, end.to]
}

export function endReads({ end }: Block): readonly Reg[] {
  if (end.kind === 'return') return end.value === undefined ? [] : [end.value]
  return end.kind === 'branch' ? read(end.branch) : []
}

/** Cuts a list of operations into blocks. The first one is where the function begins. */
export function toBlocks(list: readonly Operation[]): Block[] {
  const starts = new Set([0])
  const labels = new Map<string, number>()
  for (const [i, operation] of list.entries()) {
    if (operation.op === 'label') {
      labels.set(operation.name, i)
      starts.add(i)
    }
    if (isEnd(operation) || operation.op === 'branch' || operation.op === 'mayGoto') starts.add(i + 1)
  }
  const order = [...starts].filter((at) => at < list.length).sort((a, b) => a - b)
  const nowhere: End = { kind: 'return', value: undefined, at: 0 }
  const blocks = new Map(order.map((at): [number, Block] => [at, { ops: [], end: nowhere }]))
  const at = (name: string): Block => blocks.get(labels.get(name)!)!
  for (const [i, start] of order.entries()) {
    const block = blocks.get(start)!
    const stop = order[i + 1] ?? list.length
    const last = list[stop - 1]!
    const next = blocks.get(stop)
    block.ops = list
      .slice(start, stop)
      .filter(({ op }) => !['label', 'jump', 'return', 'branch', 'mayGoto'].includes(op))
    if (last.op === 'jump') block.end = { kind: 'jump', to: at(last.to) }
    else if (last.op === 'return') block.end = { kind: 'return', value: last.value, at: last.at }
    else if (last.op === 'branch' || last.op === 'mayGoto')
      block.end = { kind: 'branch', branch: last, to: at(last.to), next: next! }
    else if (next !== undefined) block.end = { kind: 'jump', to: next }
  }
  return inOrder([...blocks.values()])
}

/** The blocks that can be reached, each after one that leads to it. */
export function inOrder(blocks: readonly Block[]): Block[] {
  const seen = new Set<Block>()
  const order: Block[] = []
  const visit = (first: Block): void => {
    const todo: [Block, Block[]][] = [[first, successors(first)]]
    seen.add(first)
    while (todo.length > 0) {
      const [block, left] = todo.at(-1)!
      // What a branch goes to comes last of all, so that the code behind it follows.
      const next = left.pop()
      if (next === undefined) {
        order.push(block)
        todo.pop()
      } else if (!seen.has(next)) {
        seen.add(next)
        todo.push([next, successors(next)])
      }
    }
  }
  if (blocks[0] !== undefined) visit(blocks[0])
  return order.reverse()
}

export function predecessors(blocks: readonly Block[]): Map<Block, Block[]> {
  const found = new Map(blocks.map((block): [Block, Block[]] => [block, []]))
  for (const block of blocks) for (const next of new Set(successors(block))) found.get(next)!.push(block)
  return found
}

/** The blocks of each loop, by the block that it begins with. */
export function loopsOf(
  blocks: readonly Block[],
  before: ReadonlyMap<Block, readonly Block[]>,
): Map<Block, Set<Block>> {
  const index = new Map(blocks.map((block, i) => [block, i]))
  const loops = new Map<Block, Set<Block>>()
  for (const block of blocks) {
    for (const head of successors(block)) {
      if (index.get(head)! > index.get(block)!) continue
      const body = loops.get(head) ?? new Set([head])
      const todo = [block]
      for (let one = todo.pop(); one !== undefined; one = todo.pop()) {
        if (body.has(one)) continue
        body.add(one)
        todo.push(...before.get(one)!)
      }
      loops.set(head, body)
    }
  }
  return loops
}

/** The registers whose values are needed behind each block. */
export function liveOut(blocks: readonly Block[]): Map<Block, Set<Reg>> {
  const uses = new Map<Block, Set<Reg>>()
  const writes = new Map<Block, Set<Reg>>()
  for (const block of blocks) {
    const [own, set] = [new Set<Reg>(), new Set<Reg>()]
    for (const operation of block.ops) {
      for (const reg of read(operation)) if (!set.has(reg)) own.add(reg)
      const reg = written(operation)
      if (reg !== undefined) set.add(reg)
    }
    for (const reg of endReads(block)) if (!set.has(reg)) own.add(reg)
    uses.set(block, own)
    writes.set(block, set)
  }
  const into = new Map(blocks.map((block) => [block, new Set(uses.get(block)!)]))
  const out = new Map(blocks.map((block) => [block, new Set<Reg>()]))
  const before = predecessors(blocks)
  const todo = new Set([...blocks])
  const last = [...blocks].reverse()
  while (todo.size > 0) {
    for (const block of last) {
      if (!todo.delete(block)) continue
      const own = out.get(block)!
      for (const next of successors(block)) for (const reg of into.get(next)!) own.add(reg)
      const needed = into.get(block)!
      const { size } = needed
      const set = writes.get(block)!
      for (const reg of own) if (!set.has(reg)) needed.add(reg)
      if (needed.size !== size) for (const one of before.get(block)!) todo.add(one)
    }
  }
  return out
}

/** Puts blocks in a row, with jumps where another block than the next one follows. */
export function toList(blocks: readonly Block[]): Operation[] {
  const order = layOut(blocks)
  const names = new Map<Block, string>()
  const name = (block: Block): string => {
    const known = names.get(block) ?? `L${names.size}`
    names.set(block, known)
    return known
  }
  const parts = order.map((block, i): Operation[] => {
    const { end } = block
    const at = block.ops.at(-1)?.at ?? 0
    const jump = (to: Block): Operation[] => (to === order[i + 1] ? [] : [{ op: 'jump', to: name(to), at }])
    if (end.kind === 'return') return [...block.ops, { op: 'return', value: end.value, at: end.at }]
    if (end.kind === 'jump') return [...block.ops, ...jump(end.to)]
    const { branch, to, next } = end
    const other = branch.op === 'branch' && to === order[i + 1] ? inverse[branch.comparison] : undefined
    if (other !== undefined)
      return [...block.ops, { ...branch, comparison: other, to: name(next) } as Operation]
    return [...block.ops, { ...branch, to: name(to) }, ...jump(next)]
  })
  return order.flatMap((block, i) => {
    const label = names.get(block)
    return label === undefined ? parts[i]! : [{ op: 'label', name: label, at: 0 }, ...parts[i]!]
  })
}

/** Chains of blocks that follow each other without a jump. */
function layOut(blocks: readonly Block[]): Block[] {
  const before = predecessors(blocks)
  const placed = new Set<Block>()
  const order: Block[] = []
  /** Whether all ways to a block but one are placed already, so that nothing else could stand before it. */
  const isLast = (block: Block): boolean => before.get(block)!.filter((one) => !placed.has(one)).length === 0
  for (const start of blocks) {
    let block: Block | undefined = start
    while (block !== undefined && !placed.has(block)) {
      placed.add(block)
      order.push(block)
      const { end }: Block = block
      block = undefined
      if (end.kind === 'jump') block = end.to
      if (end.kind !== 'branch') continue
      const canTurn = end.branch.op === 'branch' && end.branch.comparison !== 'set' && !placed.has(end.to)
      block = canTurn && (placed.has(end.next) || (!isLast(end.next) && isLast(end.to))) ? end.to : end.next
    }
  }
  return order
}

/** The same end with other registers. */
export function renameEnd(end: End, reg: (one: Reg) => Reg): End {
  if (end.kind === 'return') return { ...end, value: end.value === undefined ? undefined : reg(end.value) }
  if (end.kind !== 'branch' || end.branch.op !== 'branch') return end
  const operand = (b: Operand): Operand => ('reg' in b ? { reg: reg(b.reg) } : b)
  return { ...end, branch: { ...end.branch, a: reg(end.branch.a), b: operand(end.branch.b) } }
}
