// The program between syntax and instructions: operations on as many registers as it needs.
import type { CoreRelocation } from '../asm/instruction.js'

/** A register, of any number, before the machine's ten are assigned. */
export type Reg = number

export type Operand = { readonly reg: Reg } | { readonly imm: number }

/** What an address is counted from: a register, or the end of the stack. */
export type Base = Reg | 'frame'

export type AluOperation =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'mod'
  | 'and'
  | 'or'
  | 'xor'
  | 'lsh'
  | 'rsh'
  | 'arsh'
  /** Division and remainder of numbers with a sign. (Linux 6.6) */
  | 'sdiv'
  | 'smod'
export type Comparison = 'eq' | 'ne' | 'gt' | 'ge' | 'lt' | 'le' | 'sgt' | 'sge' | 'slt' | 'sle' | 'set'

/** The comparison that holds where another one does not. There is none for `set`. */
export const inverse: Readonly<Partial<Record<Comparison, Comparison>>> = {
  eq: 'ne',
  ne: 'eq',
  gt: 'le',
  le: 'gt',
  ge: 'lt',
  lt: 'ge',
  sgt: 'sle',
  sle: 'sgt',
  sge: 'slt',
  slt: 'sge',
}

interface Common {
  /** The place in the source that it comes from. */
  readonly at: number
  readonly core?: CoreRelocation
}

export type Operation =
  | (Common & { readonly op: 'label'; readonly name: string })
  /** An argument of the function, which is in one of r1 to r5 when it begins. */
  | (Common & { readonly op: 'param'; readonly d: Reg; readonly index: number })
  | (Common & { readonly op: 'const'; readonly d: Reg; readonly value: bigint })
  | (Common & {
      readonly op: 'move'
      readonly d: Reg
      readonly s: Reg
      readonly bits: 32 | 64
      /** The number is not 0. */
      readonly isPresent?: true
    })
  | (Common & {
      readonly op: 'alu'
      readonly operation: AluOperation
      readonly bits: 32 | 64
      readonly d: Reg
      readonly a: Reg
      readonly b: Operand
      /**
       * `a` is an address, and stays on the left. If a pointer into the stack is added to a number instead, the
       * verifier takes the result for a pointer into the stack of the outermost function.
       */
      readonly isAddress?: true
      /**
       * The result is only compared with the end of the packet. Where it is beyond the end, the verifier lets no
       * program use its register any more, so it must not share one with a pointer.
       */
      readonly isEdge?: true
    })
  | (Common & { readonly op: 'neg'; readonly bits: 32 | 64; readonly d: Reg; readonly a: Reg })
  | (Common & { readonly op: 'be'; readonly bits: 16 | 32 | 64; readonly d: Reg; readonly a: Reg })
  /** Extends the sign of the low bits; the bits above 32 are zero if the result has 32 bits. (Linux 6.6) */
  | (Common & {
      readonly op: 'sext'
      readonly bits: 32 | 64
      readonly from: 8 | 16 | 32
      readonly d: Reg
      readonly a: Reg
    })
  | (Common & {
      readonly op: 'load'
      readonly d: Reg
      readonly base: Base
      readonly offset: number
      readonly size: number
      /** The sign is extended to 64 bits. (Linux 6.6) */
      readonly isSigned?: true
      /** It reads an arena, where old kernels do not extend signs. */
      readonly inArena?: true
    })
  | (Common & {
      readonly op: 'store'
      readonly base: Base
      readonly offset: number
      readonly size: number
      readonly value: Operand
    })
  | (Common & {
      readonly op: 'atomicAdd'
      readonly base: Base
      readonly offset: number
      readonly size: 4 | 8
      readonly value: Reg
    })
  /**
   * A pointer into the arena, either as programs follow it or as it is stored in memory: as the address in the process.
   * (Linux 6.9)
   */
  | (Common & { readonly op: 'cast'; readonly d: Reg; readonly s: Reg; readonly to: 'kernel' | 'process' })
  /** An address on the stack. */
  | (Common & { readonly op: 'frame'; readonly d: Reg; readonly offset: number })
  | (Common & {
      readonly op: 'symbol'
      readonly d: Reg
      readonly kind: 'map' | 'data' | 'extern'
      readonly name: string
    })
  | (Common & {
      readonly op: 'call'
      readonly d: Reg | undefined
      readonly callee: Callee
      readonly args: readonly Argument[]
      /** Places on the stack that the callee reads and writes, although no argument points to them. */
      readonly reaches?: readonly number[]
    })
  | (Common & { readonly op: 'jump'; readonly to: string })
  | (Common & {
      readonly op: 'branch'
      readonly comparison: Comparison
      readonly bits: 32 | 64
      readonly a: Reg
      readonly b: Operand
      readonly to: string
    })
  /** Continues, or goes to a label once a loop has had all the rounds that the kernel allows. */
  | (Common & { readonly op: 'mayGoto'; readonly to: string })
  | (Common & { readonly op: 'return'; readonly value: Reg | undefined })

/** What is called: a helper of the kernel, one of its other functions, or one of the file. */
export type Callee = { readonly helper: number } | { readonly kfunc: string } | { readonly function: string }

/** An argument of a call: a value, an address on the stack, or that of a map. */
export type Argument =
  | Operand
  | { readonly frame: number }
  | { readonly map: string }
  /** The address of a function that the kernel calls. */
  | { readonly callback: string }

/** The register that an operation writes. */
export function written(operation: Operation): Reg | undefined {
  return 'd' in operation ? operation.d : undefined
}

const none: readonly Reg[] = []

/** The registers that an operation reads. */
export function read(operation: Operation): readonly Reg[] {
  switch (operation.op) {
    case 'move':
    case 'cast':
      return [operation.s]
    case 'alu':
    case 'branch':
      return 'reg' in operation.b ? [operation.a, operation.b.reg] : [operation.a]
    case 'neg':
    case 'be':
    case 'sext':
      return [operation.a]
    case 'load':
      return operation.base === 'frame' ? none : [operation.base]
    case 'store':
      if (!('reg' in operation.value)) return operation.base === 'frame' ? none : [operation.base]
      return operation.base === 'frame' ? [operation.value.reg] : [operation.base, operation.value.reg]
    case 'atomicAdd':
      return operation.base === 'frame' ? [operation.value] : [operation.base, operation.value]
    case 'call':
      return operation.args.flatMap((arg) => ('reg' in arg ? [arg.reg] : []))
    case 'return':
      return operation.value === undefined ? none : [operation.value]
    default:
      return none
  }
}

/** The same operation with other registers. `map` gives the registers that are read, `to` those that are written. */
export function rename(operation: Operation, map: (reg: Reg) => Reg, to: (reg: Reg) => Reg): Operation {
  const operand = <T extends Argument>(value: T): T =>
    'reg' in value ? { ...value, reg: map(value.reg) } : value
  const base = (value: Base): Base => (value === 'frame' ? value : map(value))
  switch (operation.op) {
    case 'param':
    case 'const':
    case 'frame':
    case 'symbol':
      return { ...operation, d: to(operation.d) }
    case 'move':
    case 'cast':
      return { ...operation, s: map(operation.s), d: to(operation.d) }
    case 'alu':
      return { ...operation, a: map(operation.a), b: operand(operation.b), d: to(operation.d) }
    case 'neg':
    case 'be':
    case 'sext':
      return { ...operation, a: map(operation.a), d: to(operation.d) }
    case 'load':
      return { ...operation, base: base(operation.base), d: to(operation.d) }
    case 'store':
      return { ...operation, base: base(operation.base), value: operand(operation.value) }
    case 'atomicAdd':
      return { ...operation, base: base(operation.base), value: map(operation.value) }
    case 'call':
      return {
        ...operation,
        args: operation.args.map(operand),
        d: operation.d === undefined ? undefined : to(operation.d),
      }
    case 'branch':
      return { ...operation, a: map(operation.a), b: operand(operation.b) }
    case 'return':
      return { ...operation, value: operation.value === undefined ? undefined : map(operation.value) }
    default:
      return operation
  }
}

/** Whether an operation can be left out when nobody reads what it writes. */
export function isPure({ op }: Operation): boolean {
  return ['param', 'const', 'move', 'alu', 'neg', 'be', 'sext', 'load', 'cast', 'frame', 'symbol'].includes(
    op,
  )
}

/** Whether control never goes on to the next operation. */
export const isEnd = ({ op }: Operation): boolean => op === 'jump' || op === 'return'
