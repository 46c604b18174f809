// Replaces computations by what is known: constants, copies, and results that exist already.
import { alu } from '../asm/arithmetic.js'
import type { CoreRelocation } from '../asm/instruction.js'
import { aluOperations } from '../asm/isa.js'
import { type Block, type End, loopsOf, predecessors } from './blocks.js'
import { dominators } from './dominators.js'
import {
  type Comparison,
  isPure,
  type Operand,
  type Operation,
  type Reg,
  read,
  rename,
  written,
} from './ir.js'
import { type Alu, bitsOfAlu, bitsOfValue, byteOfTruth, simplifyAlu } from './simplify.js'
import type { Slots } from './slots.js'

/**
 * What is known at one place. Registers that are written once have the same value everywhere; this is about the others.
 */
class State {
  readonly values: Map<Reg, bigint>
  readonly bits: Map<Reg, number>
  readonly copies: Map<Reg, Reg>
  readonly defs: Map<Reg, Operation>
  readonly results: Map<string, { reg: Reg; from: readonly Reg[] }>
  readonly memory: Map<string, Cell>
  /** Registers that are not 0. */
  readonly present: Set<Reg>

  /** @param from - the state to copy */
  constructor(from?: State) {
    this.values = new Map(from?.values)
    this.bits = new Map(from?.bits)
    this.copies = new Map(from?.copies)
    this.defs = new Map(from?.defs)
    this.results = new Map(from?.results)
    this.memory = new Map(from?.memory)
    this.present = new Set(from?.present)
  }

  forget(reg: Reg): void {
    this.values.delete(reg)
    this.bits.delete(reg)
    this.copies.delete(reg)
    this.defs.delete(reg)
    this.present.delete(reg)
    for (const [copy, of] of this.copies) if (of === reg) this.copies.delete(copy)
    for (const [own, operation] of this.defs) if (read(operation).includes(reg)) this.defs.delete(own)
    for (const [key, one] of this.results)
      if (one.reg === reg || one.from.includes(reg)) this.results.delete(key)
    for (const [key, cell] of this.memory)
      if (cell.base === reg || ('reg' in cell.value && cell.value.reg === reg)) this.memory.delete(key)
  }
}

interface Cell {
  readonly base: Reg | 'frame'
  readonly offset: number
  readonly size: number
  readonly value: Operand
}

type Access = Extract<Operation, { op: 'load' | 'store' | 'atomicAdd' }>

type Compared = Extract<Operation, { op: 'branch' }>

const fitsImmediate = (value: bigint): boolean => value === BigInt.asIntN(32, value)
const fitsOffset = (value: number): boolean => value === (value << 16) >> 16

/** The type of a relocation by its name: twins of one struct are one type. */
const coreKey = (core: CoreRelocation | undefined): string => {
  if (core === undefined) return ''
  const { type, access, kind } = core
  return ` ${typeof type === 'number' ? type : 'name' in type ? type.name : type.kind} ${access} ${kind}`
}

export class Propagation {
  changed = false
  readonly #blocks: readonly Block[]
  readonly #slots: Slots
  readonly #single = new Set<Reg>()
  readonly #values = new Map<Reg, bigint>()
  readonly #bits = new Map<Reg, number>()
  readonly #copies = new Map<Reg, Reg>()
  readonly #defs = new Map<Reg, Operation>()
  /** Results that are known in a block, and in those that it dominates. */
  readonly #results = new Map<Block, Map<string, Reg>>()
  readonly #out = new Map<Block, State>()
  readonly #above: ReadonlyMap<Block, Block>
  #block!: Block
  #state!: State

  constructor(blocks: readonly Block[], slots: Slots) {
    this.#blocks = blocks
    this.#slots = slots
    const before = predecessors(blocks)
    this.#above = dominators(blocks, before)
    this.#countWrites()
    const loops = loopsOf(blocks, before)
    for (const block of blocks) this.#run(block, before.get(block)!, loops.get(block))
  }

  #countWrites(): void {
    const seen = new Set<Reg>()
    for (const { ops } of this.#blocks) {
      for (const operation of ops) {
        const reg = written(operation)
        if (reg === undefined) continue
        if (seen.has(reg)) this.#single.delete(reg)
        else this.#single.add(reg)
        seen.add(reg)
      }
    }
  }

  /** The outcome of a comparison with a number where control passes from one block to another, if it is known. */
  outcomeBetween(from: Block, to: Block, { comparison, bits, a, b }: Compared): boolean | undefined {
    if ('reg' in b) return undefined
    const { end } = from
    const state = this.#out.get(from)
    const facts = end.kind === 'branch' && end.to !== end.next ? learned(end) : []
    const own = facts.filter((one) => one.to === to && one.reg === a)
    const value =
      state?.values.get(a) ?? this.#values.get(a) ?? own.find((one) => one.value !== undefined)?.value
    if (value !== undefined) return compare(comparison, bits, value, BigInt(b.imm))
    const isPresent = state?.present.has(a) === true || own.some((one) => one.value === undefined)
    if (!isPresent || b.imm !== 0 || bits !== 64) return undefined
    return comparison === 'eq' ? false : comparison === 'ne' ? true : undefined
  }

  #run(block: Block, before: readonly Block[], loop: ReadonlySet<Block> | undefined): void {
    this.#block = block
    this.#results.set(block, new Map())
    this.#state = this.#enter(block, before, loop)
    block.ops = block.ops.map((operation) => this.#operation(operation))
    this.#end(block)
    this.#out.set(block, this.#state)
  }

  /** What is known where a block begins. */
  #enter(block: Block, before: readonly Block[], loop: ReadonlySet<Block> | undefined): State {
    const ways = before.filter((one) => this.#out.has(one))
    const [first, ...others] = ways
    if (first === undefined) return new State()
    if (before.length === 1) {
      const state = new State(this.#out.get(first))
      if (first.end.kind === 'branch' && first.end.to !== first.end.next)
        for (const { to, reg, value } of learned(first.end)) {
          if (to !== block) continue
          if (value === undefined) state.present.add(reg)
          else state.values.set(reg, value)
        }
      return state
    }
    const state = new State()
    const outs = others.map((one) => this.#out.get(one)!)
    const { values, bits } = this.#out.get(first)!
    for (const [reg, value] of values) {
      if (outs.every((out) => out.values.get(reg) === value)) state.values.set(reg, value)
    }
    const all = [this.#out.get(first)!, ...outs]
    for (const reg of new Set([...bits.keys(), ...values.keys()])) {
      const most = all.map((out) => {
        const value = out.values.get(reg)
        return value === undefined ? (out.bits.get(reg) ?? 64) : bitsOfValue(value)
      })
      state.bits.set(reg, Math.max(...most))
    }
    for (const reg of this.#out.get(first)!.present)
      if (outs.every((out) => out.present.has(reg))) state.present.add(reg)
    for (const one of loop ?? []) {
      for (const operation of one.ops) {
        const reg = written(operation)
        if (reg !== undefined) state.forget(reg)
      }
    }
    return state
  }

  // ---- What is known about a register

  readonly #resolve = (reg: Reg): Reg => {
    let at = reg
    for (
      let next: Reg | undefined = at;
      next !== undefined;
      next = this.#state.copies.get(at) ?? this.#copies.get(at)
    )
      at = next
    return at
  }

  readonly #value = (reg: Reg): bigint | undefined => this.#state.values.get(reg) ?? this.#values.get(reg)

  readonly #bitsOf = (reg: Reg): number => {
    const value = this.#value(reg)
    if (value !== undefined) return bitsOfValue(value)
    return Math.min(this.#state.bits.get(reg) ?? 64, this.#bits.get(reg) ?? 64)
  }

  readonly #def = (reg: Reg): Operation | undefined => this.#state.defs.get(reg) ?? this.#defs.get(reg)

  #isLasting(operation: Operation): boolean {
    const reg = written(operation)
    return reg !== undefined && this.#single.has(reg) && read(operation).every((one) => this.#single.has(one))
  }

  // ---- Operations

  #operation(original: Operation): Operation {
    let operation = original
    if (read(operation).some((reg) => this.#resolve(reg) !== reg))
      operation = rename(operation, this.#resolve, (reg) => reg)
    operation = this.#simplify(operation)
    operation = this.#reuse(operation)
    if (operation !== original) this.changed = true
    this.#record(operation)
    return operation
  }

  #simplify(operation: Operation): Operation {
    switch (operation.op) {
      case 'alu':
        return operation.core === undefined ? this.#alu(operation) : operation
      case 'move': {
        const value = this.#value(operation.s)
        const { d, at, bits } = operation
        if (value !== undefined) return { op: 'const', d, value: BigInt.asUintN(bits, value), at }
        return bits === 32 && this.#bitsOf(operation.s) <= 32 ? { ...operation, bits: 64 } : operation
      }
      case 'neg': {
        const value = this.#value(operation.a)
        const { d, at, bits } = operation
        return value === undefined ? operation : { op: 'const', d, value: BigInt.asUintN(bits, -value), at }
      }
      case 'sext': {
        const value = this.#value(operation.a)
        const { d, at, bits, from } = operation
        if (value !== undefined)
          return { op: 'const', d, value: BigInt.asUintN(bits, BigInt.asIntN(from, value)), at }
        // A sign that was already extended to 32 bits.
        const def = this.#def(operation.a)
        if (def?.op === 'sext' && from === 32) return { ...operation, a: def.a, from: def.from }
        return operation
      }
      case 'be': {
        // Swapped twice, a number is what it was.
        const def = this.#def(operation.a)
        const { d, at, bits } = operation
        if (def?.op !== 'be' || def.bits !== bits || this.#bitsOf(def.a) > bits) return operation
        return { op: 'move', d, s: def.a, bits: 64, at }
      }
      case 'cast': {
        // A cast and the opposite one cancel out.
        const def = this.#def(operation.s)
        const { d, at, to } = operation
        return def?.op === 'cast' && def.to !== to ? { op: 'move', d, s: def.s, bits: 64, at } : operation
      }
      case 'load':
      case 'atomicAdd':
        return this.#address(operation)
      case 'store': {
        const own = this.#address(operation) as typeof operation
        if (!('reg' in own.value)) return own
        const value = this.#value(own.value.reg)
        if (value === undefined) {
          const reg = this.#low(own.value.reg, own.size * 8)
          return reg === own.value.reg ? own : { ...own, value: { reg } }
        }
        const signed = BigInt.asIntN(own.size * 8, value)
        return fitsImmediate(signed) ? { ...own, value: { imm: Number(signed) } } : own
      }
      case 'call': {
        if (!operation.args.some((arg) => 'reg' in arg && this.#passed(arg.reg) !== undefined))
          return operation
        return {
          ...operation,
          args: operation.args.map((arg) => ('reg' in arg ? (this.#passed(arg.reg) ?? arg) : arg)),
        }
      }
      default:
        return operation
    }
  }

  /** A register with the same low bits that takes fewer operations: an earlier truncation does not matter. */
  #low(reg: Reg, bits: number): Reg {
    const def = this.#def(reg)
    if (def?.op === 'move' && def.bits === 32 && bits <= 32) return this.#low(def.s, bits)
    if (def?.op === 'sext' && bits <= def.from) return this.#low(def.a, bits)
    if (def?.op !== 'alu' || !('imm' in def.b) || def.core !== undefined) return reg
    const mask = (1n << BigInt(bits)) - 1n
    const isCut = def.operation === 'and' && (BigInt(def.b.imm) & mask) === mask && bits <= def.bits
    if (isCut) return this.#low(def.a, bits)
    // A sign that is extended into the upper bits.
    const inner = def.operation === 'arsh' ? this.#def(def.a) : undefined
    const isExtended =
      inner?.op === 'alu' &&
      inner.operation === 'lsh' &&
      inner.bits === def.bits &&
      'imm' in inner.b &&
      inner.b.imm === def.b.imm &&
      bits <= def.bits - def.b.imm
    return isExtended ? this.#low(inner.a, bits) : reg
  }

  /** An argument that needs no register before the call. */
  #passed(reg: Reg): { imm: number } | { frame: number } | undefined {
    const value = this.#value(reg)
    if (value !== undefined && fitsImmediate(BigInt.asIntN(64, value)))
      return { imm: Number(BigInt.asIntN(64, value)) }
    const def = this.#def(reg)
    return def?.op === 'frame' ? { frame: def.offset } : undefined
  }

  /** Puts an addition into the offset of a load or store. */
  #address<T extends Access>(operation: T): T {
    if (operation.base === 'frame' || operation.core !== undefined) return operation
    const def = this.#def(operation.base)
    if (def?.op === 'frame' && fitsOffset(def.offset + operation.offset))
      return { ...operation, base: 'frame', offset: def.offset + operation.offset }
    if (def?.op !== 'alu' || def.operation !== 'add' || def.bits !== 64 || def.core !== undefined)
      return operation
    if (!('imm' in def.b) || !fitsOffset(def.b.imm + operation.offset)) return operation
    return { ...operation, base: def.a, offset: def.b.imm + operation.offset }
  }

  get #known() {
    return { value: this.#value, bits: this.#bitsOf, def: this.#def }
  }

  #alu(operation: Alu): Operation {
    const { d, at, bits } = operation
    const left = this.#value(operation.a)
    const right = 'reg' in operation.b ? this.#value(operation.b.reg) : BigInt(operation.b.imm)
    if (left !== undefined && right !== undefined) {
      const isSigned = operation.operation === 'sdiv' || operation.operation === 'smod'
      const name = { sdiv: 'div' as const, smod: 'mod' as const }[operation.operation as string]
      const code = aluOperations[name ?? (operation.operation as keyof typeof aluOperations)]
      const value = alu(code, bits, left, right, isSigned ? 1 : 0)
      return { op: 'const', d, value, at }
    }
    const low = bits === 32 ? this.#low(operation.a, 32) : operation.a
    const own = low === operation.a ? operation : { ...operation, a: low }
    return simplifyAlu(own, this.#known)
  }

  /** Reuses a result that exists already. */
  #reuse(operation: Operation): Operation {
    if (operation.op === 'load') return this.#load(operation)
    const key = keyOf(operation)
    const d = written(operation)
    if (key === undefined || d === undefined) return operation
    const known = this.#state.results.get(key)?.reg ?? this.#lasting(key)
    if (known !== undefined && known !== d) return { op: 'move', d, s: known, bits: 64, at: operation.at }
    return operation
  }

  #lasting(key: string): Reg | undefined {
    for (let block: Block | undefined = this.#block; block !== undefined; block = this.#above.get(block)) {
      const reg = this.#results.get(block)!.get(key)
      if (reg !== undefined) return reg
    }
    return undefined
  }

  #load(operation: Operation & { op: 'load' }): Operation {
    const cell = this.#state.memory.get(cellKey(operation))
    const { d, size, at } = operation
    if (cell === undefined) return operation
    if ('imm' in cell.value)
      return { op: 'const', d, value: BigInt.asUintN(size * 8, BigInt(cell.value.imm)), at }
    const { reg } = cell.value
    return this.#bitsOf(reg) <= size * 8 ? { op: 'move', d, s: reg, bits: 64, at } : operation
  }

  /** Remembers what an operation does. */
  #record(operation: Operation): void {
    const d = written(operation)
    this.#recordMemory(operation)
    if (d === undefined) return
    const isSingle = this.#single.has(d)
    if (!isSingle) this.#state.forget(d)
    const isAddress = operation.op === 'frame' || (operation.op === 'symbol' && operation.kind !== 'extern')
    if (isAddress || (operation.op === 'move' && this.#state.present.has(operation.s)))
      this.#state.present.add(d)
    if (operation.op === 'move' && operation.isPresent) {
      this.#state.present.add(d)
      this.#state.present.add(operation.s)
    }
    const bits = this.#bitsOfResult(operation)
    if (bits < 64) (isSingle ? this.#bits : this.#state.bits).set(d, bits)
    if (operation.op === 'const' && operation.core === undefined)
      (isSingle ? this.#values : this.#state.values).set(d, operation.value)
    if (read(operation).includes(d)) return
    const lasts = this.#isLasting(operation)
    if (operation.op === 'move' && operation.bits === 64)
      (lasts ? this.#copies : this.#state.copies).set(d, operation.s)
    if (isPure(operation) && operation.op !== 'load')
      (lasts ? this.#defs : this.#state.defs).set(d, operation)
    const key = keyOf(operation)
    if (key !== undefined) this.#recordResult(key, d, operation, lasts)
    if (operation.op === 'load' && operation.base !== d) {
      const { base, offset, size } = operation
      this.#state.memory.set(cellKey(operation), { base, offset, size, value: { reg: d } })
    }
  }

  #recordResult(key: string, d: Reg, operation: Operation, lasts: boolean): void {
    const known = lasts ? this.#results.get(this.#block)! : this.#state.results
    const set = (key: string): unknown =>
      lasts
        ? this.#results.get(this.#block)!.set(key, d)
        : this.#state.results.set(key, { reg: d, from: read(operation) })
    set(key)
    // A pointer may reuse the result for an edge that was computed before it.
    if (operation.op !== 'alu' || !operation.isEdge) return
    const { isEdge: _, ...other } = operation
    const plain = keyOf(other)
    if (plain !== undefined && !known.has(plain)) set(plain)
  }

  #recordMemory(operation: Operation): void {
    const { memory } = this.#state
    if (operation.op === 'call' || operation.op === 'atomicAdd') {
      for (const [key, { base, offset }] of memory)
        if (base !== 'frame' || this.#slots.isShared(offset)) memory.delete(key)
    }
    if (operation.op !== 'store') return
    const { base, offset, size } = operation
    for (const [key, cell] of memory) {
      const isSame =
        base === cell.base
          ? offset < cell.offset + cell.size && cell.offset < offset + size
          : base !== 'frame' && (cell.base !== 'frame' || this.#slots.isShared(cell.offset))
      const mayBe = base === 'frame' && cell.base !== 'frame' && this.#slots.isShared(offset)
      if (isSame || mayBe) memory.delete(key)
    }
    memory.set(cellKey(operation), { base, offset, size, value: operation.value })
  }

  #bitsOfResult(operation: Operation): number {
    switch (operation.op) {
      case 'const':
        return operation.core === undefined ? bitsOfValue(operation.value) : 64
      case 'load':
        return operation.size * 8
      case 'neg':
      case 'sext':
        return operation.bits
      case 'move':
        return Math.min(operation.bits, this.#bitsOf(operation.s))
      case 'alu':
        return operation.core === undefined ? bitsOfAlu(operation, this.#bitsOf) : 64
      default:
        return 64
    }
  }

  // ---- Ends of blocks

  #end(block: Block): void {
    const before = block.end
    const { end } = block
    if (end.kind === 'return') {
      if (end.value !== undefined) {
        const value = this.#resolve(end.value)
        if (value !== end.value) block.end = { ...end, value }
      }
    } else if (end.kind === 'branch') block.end = this.#branch(end)
    if (block.end !== before) this.changed = true
  }

  #branch(end: End & { kind: 'branch' }): End {
    if (end.to === end.next) return { kind: 'jump', to: end.to }
    const { branch: original } = end
    if (original.op !== 'branch') return end
    const isRenamed = read(original).some((reg) => this.#resolve(reg) !== reg)
    let branch: Compared = isRenamed ? (rename(original, this.#resolve, (reg) => reg) as Compared) : original
    if ('reg' in branch.b) {
      const [left, right] = [this.#value(branch.a), this.#value(branch.b.reg)]
      if (right === undefined && left !== undefined && branch.comparison !== 'set') {
        branch = {
          ...branch,
          a: branch.b.reg,
          b: { reg: branch.a },
          comparison: mirrored[branch.comparison]!,
        }
      }
      const value = 'reg' in branch.b ? this.#value(branch.b.reg) : undefined
      const signed = value === undefined ? undefined : BigInt.asIntN(branch.bits, value)
      if (signed !== undefined && fitsImmediate(signed)) branch = { ...branch, b: { imm: Number(signed) } }
    }
    branch = this.#unswapped(branch)
    // A bool is 0 if and only if its byte is.
    const isZeroTest =
      'imm' in branch.b && branch.b.imm === 0 && (branch.comparison === 'eq' || branch.comparison === 'ne')
    const byte = isZeroTest ? byteOfTruth(this.#def(branch.a), this.#known) : undefined
    if (byte !== undefined) branch = { ...branch, a: byte }
    if (branch.bits === 32) {
      const a = this.#low(branch.a, 32)
      if (a !== branch.a) branch = { ...branch, a }
    }
    const known = this.#outcome(branch)
    if (known !== undefined) return { kind: 'jump', to: known ? end.to : end.next }
    return branch === original ? end : { ...end, branch }
  }

  /** A number in the network's order is compared with a constant in that order, instead of being swapped first. */
  #unswapped(branch: Compared): Compared {
    if ('reg' in branch.b || !['eq', 'ne'].includes(branch.comparison)) return branch
    const def = this.#def(branch.a)
    if (def?.op !== 'be' || def.bits === 64 || this.#bitsOf(def.a) > def.bits) return branch
    const imm = BigInt.asUintN(32, BigInt(branch.b.imm))
    if (imm >= 1n << BigInt(def.bits)) return branch
    let swapped = 0n
    for (let i = 0; i < def.bits; i += 8) swapped |= ((imm >> BigInt(i)) & 0xffn) << BigInt(def.bits - 8 - i)
    return { ...branch, a: def.a, b: { imm: Number(BigInt.asIntN(32, swapped)) }, bits: 32 }
  }

  #outcome({ comparison, a, b, bits }: Compared): boolean | undefined {
    const right = 'reg' in b ? this.#value(b.reg) : BigInt(b.imm)
    if ('reg' in b && b.reg === a) return ['eq', 'ge', 'le', 'sge', 'sle'].includes(comparison)
    if (right === undefined) return undefined
    const left = this.#value(a)
    if (left !== undefined) return compare(comparison, bits, left, right)
    if (this.#state.present.has(a) && right === 0n && bits === 64) {
      if (comparison === 'eq') return false
      if (comparison === 'ne') return true
    }
    const unsigned = BigInt.asUintN(bits, right)
    const most = (1n << BigInt(Math.min(bits, this.#bitsOf(a)))) - 1n
    if (unsigned > most) {
      if (comparison === 'eq' || comparison === 'gt' || comparison === 'ge') return false
      if (comparison === 'ne' || comparison === 'lt' || comparison === 'le') return true
    }
    if (unsigned === most && comparison === 'gt') return false
    if (unsigned === most && comparison === 'le') return true
    if (unsigned === 0n && comparison === 'lt') return false
    if (unsigned === 0n && comparison === 'ge') return true
    return undefined
  }
}

const mirrored: Readonly<Partial<Record<Comparison, Comparison>>> = {
  eq: 'eq',
  ne: 'ne',
  gt: 'lt',
  ge: 'le',
  lt: 'gt',
  le: 'ge',
  sgt: 'slt',
  sge: 'sle',
  slt: 'sgt',
  sle: 'sge',
}

export function compare(comparison: Comparison, bits: 32 | 64, left: bigint, right: bigint): boolean {
  const isSigned = comparison.length === 3 && comparison !== 'set'
  const cut = (value: bigint): bigint => (isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value))
  const [a, b] = [cut(left), cut(right)]
  switch (isSigned ? comparison.slice(1) : comparison) {
    case 'eq':
      return a === b
    case 'ne':
      return a !== b
    case 'gt':
      return a > b
    case 'ge':
      return a >= b
    case 'lt':
      return a < b
    case 'le':
      return a <= b
    default:
      return (a & b) !== 0n
  }
}

/** What a comparison says about a register on one of the paths after it: its number, or that it is not 0. */
function learned({
  branch,
  to,
  next,
}: End & { kind: 'branch' }): { to: Block; reg: Reg; value: bigint | undefined }[] {
  if (branch.op !== 'branch' || 'reg' in branch.b || branch.bits !== 64) return []
  const { comparison, a: reg } = branch
  if (comparison !== 'eq' && comparison !== 'ne') return []
  const value = BigInt.asUintN(64, BigInt(branch.b.imm))
  const [same, other] = comparison === 'eq' ? [to, next] : [next, to]
  return [{ to: same, reg, value }, ...(value === 0n ? [{ to: other, reg, value: undefined }] : [])]
}

const cellKey = ({ base, offset, size, core }: Access): string => `${base} ${offset} ${size}${coreKey(core)}`

/** Two operations with the same key have the same result. */
function keyOf(operation: Operation): string | undefined {
  const operand = (b: Operand): string => ('reg' in b ? `r${b.reg}` : String(b.imm))
  switch (operation.op) {
    case 'alu':
      return `${operation.operation}${operation.bits} ${operation.a} ${operand(operation.b)}${coreKey(operation.core)}${operation.isEdge ? ' edge' : ''}`
    case 'neg':
    case 'be':
      return `${operation.op}${operation.bits} ${operation.a}`
    case 'sext':
      return `sext${operation.bits} ${operation.from} ${operation.a}`
    case 'move':
      return operation.bits === 32 ? `cut ${operation.s}` : undefined
    case 'cast':
      return `cast ${operation.to} ${operation.s}`
    case 'frame':
      return `frame ${operation.offset}`
    case 'symbol':
      return `symbol ${operation.kind} ${operation.name}`
    default:
      return undefined
  }
}
