// Loops whose rounds the kernel counts, before Linux 6.4: bpf_loop calls a function for each round. The loop becomes
// that function, and the registers that both sides use are passed on the stack of the function around it.
import { helperNumber } from '../asm/helper-names.js'
import type { Argument, Base, Operand, Operation, Reg } from './ir.js'
import { read, written } from './ir.js'

/** A loop between two labels. The first one is followed by mayGoto to the second. */
export interface CountedLoop {
  readonly top: string
  readonly end: string
  /** The most rounds. */
  readonly rounds: Operand
}

/** A loop that has become a function. */
export interface LoopFunction {
  readonly name: string
  readonly operations: Operation[]
}

interface Room {
  readonly newReg: () => Reg
  /** Room for 8 bytes on the stack. */
  readonly newSlot: () => number
  readonly newName: () => string
}

/** Where control goes after a loop: to a label, or out of the function. */
type Exit = string | 'return'

/**
 * Takes loops out of a function.
 *
 * @param loops - each one before those around it
 */
export function outlineLoops(
  operations: readonly Operation[],
  loops: readonly CountedLoop[],
  room: Room,
): { operations: readonly Operation[]; functions: LoopFunction[] } {
  let list = operations
  const functions: LoopFunction[] = []
  for (const loop of loops) {
    const start = list.findIndex((one) => one.op === 'label' && one.name === loop.top)
    const end = list.findIndex((one) => one.op === 'label' && one.name === loop.end)
    const taken = new Outline(list, start, end, loop, room)
    functions.push(taken.function())
    list = [...list.slice(0, start), ...taken.call(), ...list.slice(end)]
  }
  return { operations: list, functions }
}

class Outline {
  readonly #region: readonly Operation[]
  readonly #loop: CountedLoop
  readonly #room: Room
  readonly #name: string
  readonly #at: number
  readonly #live: ReadonlyMap<string, ReadonlySet<Reg>>
  readonly #known: ReadonlySet<Reg>
  readonly #changed: ReadonlySet<Reg>
  readonly #slots = new Map<Reg, number>()
  /** The slot where the loop stores which exit control takes, and what it returns. */
  readonly #exitSlot: number
  readonly #exits: Exit[]

  constructor(list: readonly Operation[], start: number, end: number, loop: CountedLoop, room: Room) {
    this.#region = list.slice(start, end)
    this.#loop = loop
    this.#room = room
    this.#name = room.newName()
    this.#at = this.#region.find(({ at }) => at > 0)?.at ?? 0
    this.#live = liveAtLabels(list)
    const regs = this.#region.flatMap((one) => [...read(one), written(one) ?? []].flat())
    this.#known = new Set(regs)
    this.#changed = new Set(this.#region.flatMap((one) => written(one) ?? []))
    this.#exitSlot = room.newSlot()
    this.#exits = this.#exitsOf()
  }

  /** The ways out of the loop. The first one is taken when it has had all of its rounds. */
  #exitsOf(): Exit[] {
    const inside = new Set(this.#region.flatMap((one) => (one.op === 'label' ? [one.name] : [])))
    const outside = this.#region.flatMap((one): Exit[] => {
      if (one.op === 'return') return ['return']
      return 'to' in one && !inside.has(one.to) ? [one.to] : []
    })
    return [...new Set([this.#loop.end, ...outside])]
  }

  #slot(reg: Reg): number {
    const slot = this.#slots.get(reg) ?? this.#room.newSlot()
    this.#slots.set(reg, slot)
    return slot
  }

  /** The registers that both sides use at the beginning of each round. */
  #shared(): Reg[] {
    return [...this.#live.get(this.#loop.top)!].filter((reg) => this.#known.has(reg))
  }

  /** What the loop has changed and the code at a label needs. */
  #changedFor(label: string): Reg[] {
    return [...(this.#live.get(label) ?? [])].filter((reg) => this.#changed.has(reg))
  }

  #store(base: Base, reg: Reg): Operation {
    return { op: 'store', base, offset: this.#slot(reg), size: 8, value: { reg }, at: this.#at }
  }

  /**
   * The verifier forgets what it knows of a number that is written in halves, and it has to: otherwise it would follow
   * each value that a loop counts through. What changes from round to round is always a number.
   */
  #storeUnknown(base: Base, reg: Reg): Operation[] {
    const at = this.#at
    const offset = this.#slot(reg)
    const upper = this.#room.newReg()
    return [
      { op: 'store', base, offset, size: 4, value: { reg }, at },
      { op: 'alu', operation: 'rsh', bits: 64, d: upper, a: reg, b: { imm: 32 }, at },
      { op: 'store', base, offset: offset + 4, size: 4, value: { reg: upper }, at },
    ]
  }

  #load(base: Base, reg: Reg): Operation {
    return { op: 'load', d: reg, base, offset: this.#slot(reg), size: 8, at: this.#at }
  }

  function(): LoopFunction {
    const at = this.#at
    const { newReg } = this.#room
    const stack = newReg()
    const operations: Operation[] = []
    // The number of the round is in the first argument, if the loop asks for it.
    const isParameter = (one: Operation): boolean => one.op === 'param'
    operations.push(...this.#region.filter(isParameter), { op: 'param', d: stack, index: 1, at })
    for (const reg of this.#shared()) operations.push(this.#load(stack, reg))
    const [label, name] = [(i: number) => `${this.#name}_${i}`, `${this.#name}_next`]
    const destination = (to: string): string => {
      if (to === this.#loop.top) return name
      const exit = this.#exits.indexOf(to)
      return exit < 0 ? to : label(exit)
    }
    const result = (value: bigint): Operation[] => {
      const reg = newReg()
      return [
        { op: 'const', d: reg, value, at },
        { op: 'return', value: reg, at },
      ]
    }
    const leave = (exit: number): Operation => {
      return { op: 'store', base: stack, offset: this.#exitSlot, size: 4, value: { imm: exit }, at }
    }
    for (const one of this.#region) {
      if (isParameter(one) || (one.op === 'mayGoto' && one.to === this.#loop.end)) continue
      if (one.op === 'return') {
        const { value } = one
        if (value !== undefined) operations.push(this.#returned(stack, value))
        operations.push(leave(this.#exits.indexOf('return')), ...result(1n))
      } else if (one.op === 'jump' || one.op === 'branch') {
        operations.push({ ...one, to: destination(one.to) })
      } else operations.push(...this.#onStack(one, stack))
    }
    // After a loop that ends without a jump.
    operations.push({ op: 'jump', to: label(0), at })
    operations.push({ op: 'label', name, at })
    for (const reg of this.#changedFor(this.#loop.top)) operations.push(...this.#storeUnknown(stack, reg))
    operations.push(...result(0n))
    for (const [i, exit] of this.#exits.entries()) {
      operations.push({ op: 'label', name: label(i), at })
      if (exit === 'return') continue
      for (const reg of this.#changedFor(exit)) operations.push(this.#store(stack, reg))
      operations.push(leave(i), ...result(1n))
    }
    return { name: this.#name, operations }
  }

  #returnSlot: number | undefined

  #returned(base: Base, reg: Reg): Operation {
    this.#returnSlot ??= this.#room.newSlot()
    return { op: 'store', base, offset: this.#returnSlot, size: 8, value: { reg }, at: this.#at }
  }

  /** An operation whose places on the stack are those of the function around the loop. */
  #onStack(operation: Operation, stack: Reg): Operation[] {
    const { at } = operation
    const address = (d: Reg, offset: number): Operation => {
      return { op: 'alu', operation: 'add', bits: 64, d, a: stack, b: { imm: offset }, at }
    }
    if (operation.op === 'frame') return [address(operation.d, operation.offset)]
    if ('base' in operation && operation.base === 'frame') return [{ ...operation, base: stack }]
    if (operation.op !== 'call') return [operation]
    const before: Operation[] = []
    const args = operation.args.map((arg): Argument => {
      if (!('frame' in arg)) return arg
      const reg = this.#room.newReg()
      before.push(address(reg, arg.frame))
      return { reg }
    })
    return [...before, { ...operation, args }]
  }

  /** The operations that replace the loop. */
  call(): Operation[] {
    const at = this.#at
    const { newReg } = this.#room
    const exit = newReg()
    const list: Operation[] = [{ op: 'label', name: this.#loop.top, at }]
    for (const reg of this.#shared()) list.push(this.#store('frame', reg))
    list.push({ op: 'store', base: 'frame', offset: this.#exitSlot, size: 8, value: { imm: 0 }, at })
    const own = [
      this.#exitSlot,
      ...this.#slots.values(),
      ...(this.#returnSlot === undefined ? [] : [this.#returnSlot]),
    ]
    list.push({
      op: 'call',
      d: undefined,
      callee: { helper: helperNumber('loop') },
      args: [this.#loop.rounds, { callback: this.#name }, { frame: 0 }, { imm: 0 }],
      reaches: [...own, ...this.#region.flatMap(placesOf)],
      at,
    })
    list.push({ op: 'load', d: exit, base: 'frame', offset: this.#exitSlot, size: 4, at })
    const label = (i: number): string => `${this.#name}_to_${i}`
    for (const i of this.#exits.keys())
      if (i > 0)
        list.push({ op: 'branch', comparison: 'eq', bits: 64, a: exit, b: { imm: i }, to: label(i), at })
    for (const [i, to] of this.#exits.entries()) {
      if (i > 0) list.push({ op: 'label', name: label(i), at })
      if (to === 'return') {
        const value = this.#returnSlot === undefined ? undefined : newReg()
        if (value !== undefined)
          list.push({ op: 'load', d: value, base: 'frame', offset: this.#returnSlot!, size: 8, at })
        list.push({ op: 'return', value, at })
        continue
      }
      for (const reg of this.#changedFor(to)) list.push(this.#load('frame', reg))
      list.push({ op: 'jump', to, at })
    }
    return list
  }
}

/** The places on the stack whose offsets an operation contains. */
function placesOf(operation: Operation): number[] {
  if (operation.op === 'frame') return [operation.offset]
  if ('base' in operation && operation.base === 'frame') return [operation.offset]
  if (operation.op !== 'call') return []
  return [
    ...(operation.reaches ?? []),
    ...operation.args.flatMap((arg) => ('frame' in arg ? [arg.frame] : [])),
  ]
}

/** The registers whose values are needed at each label. */
function liveAtLabels(list: readonly Operation[]): Map<string, Set<Reg>> {
  const at = new Map<string, Set<Reg>>()
  for (let changed = true; changed; ) {
    changed = false
    let live = new Set<Reg>()
    for (const operation of list.toReversed()) {
      if (operation.op === 'label') {
        if (at.get(operation.name)?.size !== live.size) changed = true
        at.set(operation.name, new Set(live))
        continue
      }
      if (operation.op === 'jump' || operation.op === 'return') live = new Set()
      if ('to' in operation) for (const reg of at.get(operation.to) ?? []) live.add(reg)
      const reg = written(operation)
      if (reg !== undefined) live.delete(reg)
      for (const one of read(operation)) live.add(one)
    }
  }
  return at
}
