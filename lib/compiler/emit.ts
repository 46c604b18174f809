// Operations on the machine's registers become instructions.
import * as asm from '../asm/builders.js'
import type { Instruction, SourceLine } from '../asm/instruction.js'
import { sizeNamed } from '../asm/isa.js'
import type { Allocation } from './allocate.js'
import type { Argument, Base, Operand, Operation, Reg } from './ir.js'
import type { Source } from './source.js'

const registers = [asm.r0, asm.r1, asm.r2, asm.r3, asm.r4, asm.r5, asm.r6, asm.r7, asm.r8, asm.r9, asm.r10]

type Binary = (dst: asm.Register, src: asm.Register | number) => Instruction
type Jump = (dst: asm.Register, src: asm.Register | number, target: string) => Instruction
const builders = { ...asm } as unknown as Readonly<Record<string, Binary & Jump>>

const fits = (value: bigint): boolean => value === BigInt.asIntN(32, value)

export function emit({ operations, where }: Allocation, source: Source): Instruction[] {
  return new Emitter(where, source).run(operations)
}

class Emitter {
  readonly #where: ReadonlyMap<Reg, number>
  readonly #source: Source
  readonly #list: Instruction[] = []
  #labels: string[] = []
  readonly #lines = new Map<number, SourceLine>()

  constructor(where: ReadonlyMap<Reg, number>, source: Source) {
    this.#where = where
    this.#source = source
  }

  run(operations: readonly Operation[]): Instruction[] {
    for (const operation of operations) {
      if (operation.op === 'label') {
        this.#labels.push(operation.name)
        continue
      }
      const line = this.#line(operation.at)
      for (const instruction of this.#emit(operation)) {
        const labels = this.#labels
        this.#labels = []
        this.#list.push({ ...instruction, line, ...(labels.length > 0 && { labels }) })
      }
    }
    return this.#list
  }

  /** One object for each place, since the object file gets a line where the object changes. */
  #line(at: number): SourceLine {
    const known = this.#lines.get(at)
    if (known !== undefined) return known
    const line = this.#source.place(at)
    this.#lines.set(at, line)
    return line
  }

  #reg(reg: Reg): asm.Register {
    return registers[this.#where.get(reg)!]!
  }

  #operand(operand: Operand): asm.Register | number {
    return 'reg' in operand ? this.#reg(operand.reg) : operand.imm
  }

  #base(base: Base): asm.Register {
    return base === 'frame' ? asm.r10 : this.#reg(base)
  }

  #emit(operation: Operation): Instruction[] {
    switch (operation.op) {
      case 'param': {
        const [d, from] = [this.#reg(operation.d), registers[operation.index + 1]!]
        return d === from ? [] : [asm.mov(d, from)]
      }
      case 'const':
        return [this.#constant(this.#reg(operation.d), operation)]
      case 'move': {
        const [d, s] = [this.#reg(operation.d), this.#reg(operation.s)]
        if (operation.bits === 32) return [asm.mov32(d, s)]
        return d === s ? [] : [asm.mov(d, s)]
      }
      case 'alu':
        return this.#alu(operation)
      case 'neg': {
        const [d, a] = [this.#reg(operation.d), this.#reg(operation.a)]
        return [...(d === a ? [] : [asm.mov(d, a)]), operation.bits === 64 ? asm.neg(d) : asm.neg32(d)]
      }
      case 'be': {
        const [d, a] = [this.#reg(operation.d), this.#reg(operation.a)]
        return [...(d === a ? [] : [asm.mov(d, a)]), asm.be(d, operation.bits)]
      }
      case 'sext': {
        const [d, a] = [this.#reg(operation.d), this.#reg(operation.a)]
        const { from, bits } = operation
        return [bits === 32 && from < 32 ? asm.movsx32(d, a, from as 8 | 16) : asm.movsx(d, a, from)]
      }
      case 'load': {
        const load = (operation.isSigned ? asm.ldxsx : (asm.ldx as typeof asm.ldxsx))(
          sizeNamed(operation.size) as 'u32',
          this.#reg(operation.d),
          this.#base(operation.base),
          operation.offset,
        )
        return [{ ...load, ...(operation.core && { core: operation.core }) }]
      }
      case 'store': {
        const size = sizeNamed(operation.size)
        const base = this.#base(operation.base)
        const value = this.#operand(operation.value)
        const store =
          typeof value === 'number'
            ? asm.st(size, base, operation.offset, value)
            : asm.stx(size, base, operation.offset, value)
        return [{ ...store, ...(operation.core && { core: operation.core }) }]
      }
      case 'atomicAdd': {
        const size = operation.size === 8 ? 'u64' : 'u32'
        return [
          asm.atomic('add', size, this.#base(operation.base), operation.offset, this.#reg(operation.value)),
        ]
      }
      case 'cast': {
        // The arena is address space 1, and what the kernel follows is in 0.
        const [to, from] = operation.to === 'kernel' ? ([0, 1] as const) : ([1, 0] as const)
        return [asm.addrSpaceCast(this.#reg(operation.d), this.#reg(operation.s), to, from)]
      }
      case 'frame': {
        const d = this.#reg(operation.d)
        return [asm.mov(d, asm.r10), asm.add(d, operation.offset)]
      }
      case 'symbol': {
        const d = this.#reg(operation.d)
        return [{ map: asm.ldMap, data: asm.ldData, extern: asm.ldExtern }[operation.kind](d, operation.name)]
      }
      case 'call':
        return this.#call(operation)
      case 'jump':
        return [asm.ja(operation.to)]
      case 'branch': {
        const name = `j${operation.comparison}${operation.bits === 32 ? '32' : ''}`
        return [builders[name]!(this.#reg(operation.a), this.#operand(operation.b), operation.to)]
      }
      case 'mayGoto':
        return [asm.mayGoto(operation.to)]
      case 'return': {
        if (operation.value === undefined) return [asm.exit()]
        const value = this.#reg(operation.value)
        return [...(value === asm.r0 ? [] : [asm.mov(asm.r0, value)]), asm.exit()]
      }
      case 'label':
        return []
    }
  }

  #constant(d: asm.Register, { value, core }: Operation & { op: 'const' }): Instruction {
    const signed = BigInt.asIntN(64, value)
    // What libbpf fills in has to fit, too: it has 32 bits, whose sign is extended.
    if (core !== undefined)
      return { ...(fits(signed) ? asm.mov(d, Number(signed)) : asm.ldImm64(d, value)), core }
    if (fits(signed)) return asm.mov(d, Number(signed))
    return value === BigInt.asUintN(32, value) ? asm.mov32(d, Number(value)) : asm.ldImm64(d, value)
  }

  #alu(operation: Operation & { op: 'alu' }): Instruction[] {
    const build = builders[`${operation.operation}${operation.bits === 32 ? '32' : ''}`]!
    const d = this.#reg(operation.d)
    const a = this.#reg(operation.a)
    const b = this.#operand(operation.b)
    const core = operation.core && { core: operation.core }
    // With a register on the right they are the same already: see twoAddresses.
    return [...(d === a ? [] : [asm.mov(d, a)]), { ...build(d, b), ...core }]
  }

  /** Moves all arguments to r1 to r5 at once, and calls. */
  #call({ callee, args, d }: Operation & { op: 'call' }): Instruction[] {
    const list: Instruction[] = []
    let moves = args.flatMap((arg, i): [to: number, from: number][] =>
      'reg' in arg ? [[i + 1, this.#where.get(arg.reg)!]] : [],
    )
    moves = moves.filter(([to, from]) => to !== from)
    while (moves.length > 0) {
      const ready = moves.find(([to]) => !moves.some(([, from]) => from === to))
      if (ready !== undefined) {
        list.push(asm.mov(registers[ready[0]]!, registers[ready[1]]!))
        moves = moves.filter((move) => move !== ready)
      } else {
        // The moves form a circle. r0 is free before a call.
        const [, from] = moves[0]!
        list.push(asm.mov(asm.r0, registers[from]!))
        moves = moves.map(([to, one]) => [to, one === from ? 0 : one])
      }
    }
    for (const [i, arg] of args.entries()) list.push(...this.#argument(registers[i + 1]!, arg))
    if ('helper' in callee) list.push(asm.call(callee.helper))
    else if ('kfunc' in callee) list.push(asm.callKfunc(callee.kfunc))
    else list.push(asm.callFunction(callee.function))
    if (d !== undefined && this.#where.has(d) && this.#reg(d) !== asm.r0)
      list.push(asm.mov(this.#reg(d), asm.r0))
    return list
  }

  #argument(to: asm.Register, arg: Argument): Instruction[] {
    if ('imm' in arg) return [asm.mov(to, arg.imm)]
    if ('frame' in arg) return [asm.mov(to, asm.r10), asm.add(to, arg.frame)]
    if ('callback' in arg) return [asm.ldFunction(to, arg.callback)]
    return 'map' in arg ? [asm.ldMap(to, arg.map)] : []
  }
}
