import { isEnd, type Operation, type Reg, read, target, written } from './ir.js'

/** The operations that may follow each one, by index. */
export function successors(operations: readonly Operation[]): number[][] {
  const labels = new Map<string, number>()
  for (const [i, operation] of operations.entries())
    if (operation.op === 'label') labels.set(operation.name, i)
  return operations.map((operation, i) => {
    const next: number[] = []
    if (!isEnd(operation) && i + 1 < operations.length) next.push(i + 1)
    const to = target(operation)
    if (to !== undefined) next.push(labels.get(to)!)
    return next
  })
}

/** The registers whose values are still needed, before and after each operation. */
export function liveness(operations: readonly Operation[]): { before: Set<Reg>[]; after: Set<Reg>[] } {
  const next = successors(operations)
  const before = operations.map(() => new Set<Reg>())
  const after = operations.map(() => new Set<Reg>())
  for (let changed = true; changed; ) {
    changed = false
    for (let i = operations.length - 1; i >= 0; i--) {
      const out = after[i]!
      for (const follower of next[i]!) for (const reg of before[follower]!) out.add(reg)
      const into = before[i]!
      const size = into.size
      const own = written(operations[i]!)
      for (const reg of out) if (reg !== own) into.add(reg)
      for (const reg of read(operations[i]!)) into.add(reg)
      if (into.size !== size) changed = true
    }
  }
  return { before, after }
}

/** The operations that can be reached from the first one. */
export function reachable(operations: readonly Operation[]): boolean[] {
  const next = successors(operations)
  const seen = operations.map(() => false)
  const todo = operations.length > 0 ? [0] : []
  for (let i = todo.pop(); i !== undefined; i = todo.pop()) {
    if (seen[i]) continue
    seen[i] = true
    todo.push(...next[i]!)
  }
  return seen
}
