// Gives each register of a function one of the machine's, or a place on the stack.
import { liveness } from './flow.js'
import { type Operation, type Reg, read, rename, written } from './ir.js'

/** Calls destroy these. */
const scratch = [1, 2, 3, 4, 5, 0]
/** Calls keep these. */
const kept = [6, 7, 8, 9]

export interface Allocation {
  readonly operations: readonly Operation[]
  readonly where: ReadonlyMap<Reg, number>
}

type Range = [first: number, last: number]

/**
 * Linear scan over live ranges, with the least used register spilled until all fit.
 *
 * @param newReg - makes a register
 * @param newSlot - makes room for one on the stack, and returns its offset from the stack's end
 */
export function allocate(
  operations: readonly Operation[],
  newReg: () => Reg,
  newSlot: () => number,
): Allocation {
  let list: readonly Operation[] = twoAddresses(operations, newReg)
  /** What spilling has made lives too shortly to be spilled again. */
  const short = new Set<Reg>()
  for (;;) {
    const ranges = liveRanges(list)
    const calls = list.flatMap((operation, i) => (operation.op === 'call' ? [i] : []))
    const result = scan(list, ranges, calls, short)
    if ('where' in result) return { operations: list, where: result.where }
    list = spill(list, result.spill, newSlot(), newReg, short)
  }
}

/** The machine's operations change their left side. So the result must not take the place of the right side before that is read. */
function twoAddresses(operations: readonly Operation[], newReg: () => Reg): Operation[] {
  return operations.flatMap((operation): Operation[] => {
    if (operation.op !== 'alu' || operation.d === operation.a || !('reg' in operation.b)) return [operation]
    const { d, a, b, at } = operation
    const to = b.reg === d ? newReg() : d
    const list: Operation[] = [
      { op: 'move', d: to, s: a, bits: 64, at },
      { ...operation, d: to, a: to },
    ]
    return to === d ? list : [...list, { op: 'move', d, s: to, bits: 64, at }]
  })
}

function liveRanges(operations: readonly Operation[]): Map<Reg, Range> {
  const { before, after } = liveness(operations)
  const ranges = new Map<Reg, Range>()
  const cover = (reg: Reg, at: number): void => {
    const range = ranges.get(reg)
    if (range === undefined) ranges.set(reg, [at, at])
    else {
      range[0] = Math.min(range[0], at)
      range[1] = Math.max(range[1], at)
    }
  }
  for (const [i, operation] of operations.entries()) {
    for (const reg of before[i]!) cover(reg, 2 * i)
    for (const reg of after[i]!) cover(reg, 2 * i + 1)
    const own = written(operation)
    if (own !== undefined) cover(own, 2 * i + 1)
  }
  return ranges
}

function scan(
  operations: readonly Operation[],
  ranges: ReadonlyMap<Reg, Range>,
  calls: readonly number[],
  short: ReadonlySet<Reg>,
): { where: Map<Reg, number> } | { spill: Reg } {
  const where = new Map<Reg, number>()
  const uses = countUses(operations)
  const hints = hintsOf(operations)
  let active: { reg: Reg; range: Range; machine: number }[] = []
  for (const [reg, range] of [...ranges].sort((a, b) => a[1][0] - b[1][0])) {
    active = active.filter((one) => one.range[1] >= range[0])
    const crosses = calls.some((at) => range[0] <= 2 * at && range[1] >= 2 * at + 1)
    const pool = crosses ? kept : [...scratch, ...kept]
    const free = pool.filter((machine) => !active.some((one) => one.machine === machine))
    const wanted = (hints.get(reg) ?? []).map((hint) =>
      typeof hint === 'number' ? hint : where.get(hint.like),
    )
    const machine = wanted.find((one) => one !== undefined && free.includes(one)) ?? free[0]
    if (machine === undefined) {
      const rivals = [...active.filter((one) => pool.includes(one.machine)), { reg, range }]
      const candidates = rivals.filter((one) => !short.has(one.reg))
      if (candidates.length === 0) throw new RangeError('an expression needs more registers than there are')
      const cost = (one: { reg: Reg; range: Range }): number =>
        uses.get(one.reg)! / (one.range[1] - one.range[0] + 1)
      return { spill: candidates.reduce((a, b) => (cost(b) < cost(a) ? b : a)).reg }
    }
    where.set(reg, machine)
    active.push({ reg, range, machine })
  }
  return { where }
}

function countUses(operations: readonly Operation[]): Map<Reg, number> {
  const uses = new Map<Reg, number>()
  for (const operation of operations) {
    for (const reg of [...read(operation), written(operation)]) {
      if (reg !== undefined) uses.set(reg, (uses.get(reg) ?? 0) + 1)
    }
  }
  return uses
}

type Hint = number | { readonly like: Reg }

/** Where a register would best be: with its copy, or where a call wants it. */
function hintsOf(operations: readonly Operation[]): Map<Reg, Hint[]> {
  const hints = new Map<Reg, Hint[]>()
  const add = (reg: Reg, hint: Hint): void => {
    hints.set(reg, [...(hints.get(reg) ?? []), hint])
  }
  for (const operation of operations) {
    if (operation.op === 'move') {
      add(operation.d, { like: operation.s })
      add(operation.s, { like: operation.d })
    }
    if (operation.op === 'alu' || operation.op === 'neg' || operation.op === 'be')
      add(operation.d, { like: operation.a })
    if (operation.op === 'param') add(operation.d, operation.index + 1)
    if (operation.op === 'return' && operation.value !== undefined) add(operation.value, 0)
    if (operation.op !== 'call') continue
    if (operation.d !== undefined) add(operation.d, 0)
    for (const [i, arg] of operation.args.entries()) if ('reg' in arg) add(arg.reg, i + 1)
  }
  return hints
}

/** Keeps a register on the stack: it is loaded before each use, and stored after it is written. */
function spill(
  operations: readonly Operation[],
  reg: Reg,
  offset: number,
  newReg: () => Reg,
  short: Set<Reg>,
): Operation[] {
  return operations.flatMap((operation): Operation[] => {
    const isRead = read(operation).includes(reg)
    const isWritten = written(operation) === reg
    if (!isRead && !isWritten) return [operation]
    const own = newReg()
    short.add(own)
    const swap = (one: Reg): Reg => (one === reg ? own : one)
    const { at } = operation
    const list: Operation[] = []
    if (isRead) list.push({ op: 'load', d: own, base: 'frame', offset, size: 8, at })
    list.push(rename(operation, swap, swap))
    if (isWritten) list.push({ op: 'store', base: 'frame', offset, size: 8, value: { reg: own }, at })
    return list
  })
}
