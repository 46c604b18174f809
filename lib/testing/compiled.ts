// Runs programs as WebAssembly, whose 64-bit integers are the processor's. Each function becomes a WebAssembly
// function. Loads and stores check their region inline, and leave to the machine those that are wrong or not to plain
// memory.
import {
  accessSize,
  aluOperations,
  atomicOperations,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEMSX,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_X,
  callCode,
  jumpOperations,
  ldImm64Code,
} from '../asm/isa.js'
import type { Executor, Host } from './host.js'
import { bias, entrySize, type Memory, maxRegions, tableBase, tagWord } from './memory.js'
import { u64 } from './operations.js'
import type { LinkedFunction, Op } from './program.js'
import { Code, type FunctionCode, i32, i64, type OpName, type Signature, writeModule } from './wasm-module.js'

/**
 * Words of the linear memory that programs and the machine share: the instructions that may still run, and whether the
 * program has ended.
 */
const budgetWord = 0
const endedWord = 4
/** The machine is called to count after this many instructions. */
const slice = 1 << 20

const stackSize = 512

/**
 * Imported functions, by their index. Each is told where the program is: the function's number and the instruction's
 * index.
 */
const imports: readonly Signature[] = [
  { parameters: [i64, i32, i32, i32], results: [i64] },
  { parameters: [i64, i64, i32, i32, i32], results: [] },
  { parameters: [i64, i32, i32, i64, i64, i32, i32], results: [i64] },
  { parameters: [i64, i64, i64, i64, i64, i64, i32, i32], results: [i64] },
  { parameters: [i64, i64, i64, i64, i64, i64, i32, i32], results: [i64] },
  { parameters: [i32, i32, i32, i32], results: [i64] },
  { parameters: [i32, i32], results: [i32] },
  { parameters: [], results: [] },
  { parameters: [i32, i32], results: [] },
  { parameters: [i32, i32], results: [i32] },
]
const [LOAD, STORE, ATOMIC, HELPER, KERNEL, PACKET, ENTER, LEAVE, SPEND, MAY_GOTO] =
  imports.keys() as unknown as [...number[]] as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]

const signature: Signature = { parameters: [i64, i64, i64, i64, i64], results: [i64] }
/** Locals: r1 to r5 are parameters. */
const locals = [i64, i64, i64, i64, i64, i64, i64, i64, i64, i32, i32, i32, i32] as const
const registerLocal = [5, 0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
const [ADDRESS, OFFSET, VALUE, ENTRY, TARGET, STACK, SHADOW] = [11, 12, 13, 14, 15, 16, 17]

type Compiled = (...args: bigint[]) => bigint

export class CompiledProgram implements Executor {
  readonly #host: Host
  readonly #memory: Memory
  readonly #functions: Compiled[]

  constructor(host: Host, memory: Memory) {
    this.#host = host
    this.#memory = memory
    const bytes = writeModule(
      imports,
      host.functions.map((fn) => compileFunction(fn, host.countersAt(fn.number))),
    )
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      m: { memory: memory.linear, ...Object.fromEntries(this.#imports().entries()) },
    })
    this.#functions = host.functions.map((_, i) => exports[String(i)] as Compiled)
  }

  begin(): void {
    this.#memory.view.setInt32(budgetWord, slice, true)
    this.#memory.view.setInt32(endedWord, 0, true)
  }

  call(functionNumber: number, args: readonly bigint[]): bigint {
    const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n] = args.map((arg) => BigInt.asIntN(64, arg))
    return u64(this.#functions[functionNumber]!(a, b, c, d, e))
  }

  #imports(): unknown[] {
    const host = this.#host
    const memory = this.#memory
    const size = (bytes: number) => bytes
    return [
      (address: bigint, bytes: number, fn: number, index: number) => {
        host.at(fn, index)
        return host.load(u64(address), size(bytes))
      },
      (address: bigint, value: bigint, bytes: number, fn: number, index: number) => {
        host.at(fn, index)
        host.store(u64(address), bytes, BigInt.asUintN(bytes * 8, value))
      },
      (
        address: bigint,
        bytes: number,
        operation: number,
        source: bigint,
        expected: bigint,
        fn: number,
        index: number,
      ) => {
        host.at(fn, index)
        return host.atomic(u64(address), bytes, operation, BigInt.asUintN(bytes * 8, source), u64(expected))
      },
      (number: bigint, a: bigint, b: bigint, c: bigint, d: bigint, e: bigint, fn: number, index: number) => {
        host.at(fn, index)
        return host.callHelper(Number(number), [u64(a), u64(b), u64(c), u64(d), u64(e)])
      },
      (number: bigint, a: bigint, b: bigint, c: bigint, d: bigint, e: bigint, fn: number, index: number) => {
        host.at(fn, index)
        return host.callKernel(number, [u64(a), u64(b), u64(c), u64(d), u64(e)])
      },
      (offset: number, bytes: number, fn: number, index: number) => {
        host.at(fn, index)
        const value = host.loadPacket(offset, bytes)
        if (value === undefined) memory.view.setInt32(endedWord, 1, true)
        return value ?? 0n
      },
      (fn: number, index: number) => {
        host.at(fn, index)
        return host.enter().id
      },
      () => host.leave(),
      (fn: number, index: number) => {
        host.at(fn, index)
        host.spend(slice - memory.view.getInt32(budgetWord, true))
        memory.view.setInt32(budgetWord, slice, true)
      },
      (fn: number, index: number) => {
        host.at(fn, index)
        return host.mayGoto() ? 1 : 0
      },
    ]
  }
}

function compileFunction(fn: LinkedFunction, counters: number | undefined): FunctionCode {
  return { signature, locals, code: new Compiler(fn, counters).compile() }
}

interface Block {
  readonly start: number
  readonly end: number
}

/** The runs of instructions that are entered only at their start. */
function blocksOf({ ops }: LinkedFunction): Block[] {
  const starts = new Set([0])
  for (const [i, { code, to }] of ops.entries()) {
    const kind = code & 7
    if ((kind !== BPF_JMP && kind !== BPF_JMP32) || code === callCode) continue
    starts.add(i + 1)
    if (to >= 0) starts.add(to)
  }
  const sorted = [...starts].filter((start) => start < ops.length).sort((a, b) => a - b)
  return sorted.map((start, i) => ({ start, end: sorted[i + 1] ?? ops.length }))
}

const loads: Record<number, OpName> = {
  1: 'i64.load8_u',
  2: 'i64.load16_u',
  4: 'i64.load32_u',
  8: 'i64.load',
}
const stores: Record<number, OpName> = { 1: 'i64.store8', 2: 'i64.store16', 4: 'i64.store32', 8: 'i64.store' }
/** Marks of initialized bytes, one byte each. */
const marks: Record<number, bigint> = { 1: 0x01n, 2: 0x0101n, 4: 0x0101_0101n, 8: 0x0101_0101_0101_0101n }

const binary: Record<number, string> = {
  [aluOperations.add]: 'add',
  [aluOperations.sub]: 'sub',
  [aluOperations.mul]: 'mul',
  [aluOperations.or]: 'or',
  [aluOperations.and]: 'and',
  [aluOperations.xor]: 'xor',
  [aluOperations.lsh]: 'shl',
  [aluOperations.rsh]: 'shr_u',
  [aluOperations.arsh]: 'shr_s',
}

const comparisons: Record<number, string> = {
  [jumpOperations.jeq]: 'eq',
  [jumpOperations.jne]: 'ne',
  [jumpOperations.jgt]: 'gt_u',
  [jumpOperations.jge]: 'ge_u',
  [jumpOperations.jlt]: 'lt_u',
  [jumpOperations.jle]: 'le_u',
  [jumpOperations.jsgt]: 'gt_s',
  [jumpOperations.jsge]: 'ge_s',
  [jumpOperations.jslt]: 'lt_s',
  [jumpOperations.jsle]: 'le_s',
}

class Compiler {
  readonly #fn: LinkedFunction
  readonly #counters: number | undefined
  readonly #blocks: Block[]
  readonly #code = new Code()
  #block = 0

  constructor(fn: LinkedFunction, counters: number | undefined) {
    this.#fn = fn
    this.#counters = counters
    this.#blocks = blocksOf(fn)
  }

  compile(): Code {
    const code = this.#code
    this.#prologue()
    // Blocks are nested so that a jump forward leaves those in between, and a jump back goes through the table at the
    // start of the loop.
    code.begin('loop')
    for (const _ of this.#blocks) code.begin('block')
    code.get(TARGET)
    const depths = this.#blocks.map((_, i) => i)
    code.table(depths, 0)
    for (const [i, { start, end }] of this.#blocks.entries()) {
      code.end()
      this.#block = i
      this.#spend(start, end - start)
      for (let index = start; index < end; index++) {
        if (this.#counters !== undefined) this.#count(this.#counters + index * 4)
        this.#compile(this.#fn.ops[index]!, index)
      }
    }
    code.end()
    return code.do('unreachable')
  }

  #place(index: number): Code {
    return this.#code.i32(this.#fn.number).i32(index)
  }

  #prologue(): void {
    const code = this.#code
    this.#place(0).call(ENTER).tee(ENTRY)
    code.i32(tagWord).do('i32.or', 'i64.extend_i32_u').i64(32n).do('i64.shl')
    code
      .i64(BigInt(bias + stackSize))
      .do('i64.or')
      .set(registerLocal[10]!)
    code.get(ENTRY).i32(entrySize).do('i32.mul').i32(tableBase).do('i32.add').tee(ENTRY)
    code.memory('i32.load').set(STACK)
    code.get(ENTRY).memory('i32.load', 12).set(SHADOW)
  }

  #spend(index: number, count: number): void {
    const code = this.#code
    code.i32(0).i32(0).memory('i32.load', budgetWord).i32(count).do('i32.sub').memory('i32.store', budgetWord)
    code.i32(0).memory('i32.load', budgetWord).i32(0).do('i32.lt_s').begin('if')
    this.#place(index).call(SPEND)
    code.end()
  }

  #count(at: number): void {
    this.#code.i32(0).i32(0).memory('i32.load', at).i32(1).do('i32.add').memory('i32.store', at)
  }

  #compile(op: Op, index: number): void {
    const { code } = op
    switch (code & 7) {
      case BPF_LD:
        this.#load64(op, index)
        return
      case BPF_LDX:
        this.#loadInto(op.dst, op.src, op.offset, accessSize(code), (code & 0xe0) === BPF_MEMSX, index)
        return
      case BPF_ST:
        this.#store(op, index, () => this.#code.i64(op.imm))
        return
      case BPF_STX:
        if ((code & 0xe0) === BPF_ATOMIC) {
          this.#atomic(op, index)
          return
        }
        this.#store(op, index, () => this.#read(op.src))
        return
      case BPF_JMP:
      case BPF_JMP32:
        this.#jump(op, index)
        return
      default:
        this.#arithmetic(op)
        return
    }
  }

  #read(register: number): Code {
    return this.#code.get(registerLocal[register]!)
  }

  #write(register: number): Code {
    return this.#code.set(registerLocal[register]!)
  }

  #right({ code, src, imm }: Op): Code {
    return (code & BPF_X) !== 0 ? this.#read(src) : this.#code.i64(imm)
  }

  // ---- Arithmetic

  #arithmetic(op: Op): void {
    const { code, dst, src, offset, imm } = op
    const operation = code & 0xf0
    const is64 = (code & 7) === BPF_ALU64
    const emit = this.#code
    if (operation === aluOperations.end) {
      const swaps = is64 || (code & BPF_X) !== 0
      this.#read(dst)
      if (swaps) this.#swap(Number(imm))
      else if (imm < 64n) emit.i64((1n << imm) - 1n).do('i64.and')
      this.#write(dst)
      return
    }
    if (operation === aluOperations.mov) {
      this.#right(op)
      if (is64 && offset >= 8) emit.do(`i64.extend${offset as 8 | 16 | 32}_s`)
      if (!is64) {
        emit.do('i32.wrap_i64')
        if (offset >= 8) emit.do(`i32.extend${offset as 8 | 16}_s`)
        emit.do('i64.extend_i32_u')
      }
      this.#write(dst)
      return
    }
    const type = is64 ? 'i64' : 'i32'
    const narrow = (): void => {
      if (!is64) emit.do('i32.wrap_i64')
    }
    if (operation === aluOperations.neg) {
      if (is64) emit.i64(0n)
      else emit.i32(0)
      this.#read(dst)
      narrow()
      emit.do(`${type}.sub`)
    } else if (operation === aluOperations.div || operation === aluOperations.mod) {
      this.#divide(op, is64)
    } else {
      this.#read(dst)
      narrow()
      this.#right(op)
      narrow()
      emit.do(`${type}.${binary[operation]}` as OpName)
    }
    if (!is64) emit.do('i64.extend_i32_u')
    this.#write(dst)
    void src
  }

  /** WebAssembly stops at a division by zero, and at the smallest number divided by -1; BPF continues. */
  #divide(op: Op, is64: boolean): void {
    const { code, dst, offset } = op
    const emit = this.#code
    const type = is64 ? 'i64' : 'i32'
    const isMod = (code & 0xf0) === aluOperations.mod
    const left = (): void => {
      this.#read(dst)
      if (!is64) emit.do('i32.wrap_i64')
    }
    const right = (): void => {
      this.#right(op)
      if (!is64) emit.do('i32.wrap_i64')
    }
    const constant = (value: number): Code => (is64 ? emit.i64(BigInt(value)) : emit.i32(value))
    right()
    emit.do(`${type}.eqz`).begin('if', is64 ? i64 : i32)
    if (isMod) left()
    else constant(0)
    emit.do('else')
    const operation = isMod ? 'rem' : 'div'
    if (offset !== 1) {
      left()
      right()
      emit.do(`${type}.${operation}_u`)
    } else {
      right()
      constant(-1)
      emit.do(`${type}.eq`).begin('if', is64 ? i64 : i32)
      constant(0)
      if (!isMod) {
        left()
        emit.do(`${type}.sub`)
      }
      emit.do('else')
      left()
      right()
      emit.do(`${type}.${operation}_s`).end()
    }
    emit.end()
  }

  /** Reverses the bytes of the number on the stack: neighbors, then pairs, then halves. */
  #swap(bits: number): void {
    const emit = this.#code
    for (const [shift, mask] of [
      [8n, 0x00ff_00ff_00ff_00ffn],
      [16n, 0x0000_ffff_0000_ffffn],
    ] as const) {
      emit.set(VALUE).get(VALUE).i64(mask).do('i64.and').i64(shift).do('i64.shl')
      emit.get(VALUE).i64(shift).do('i64.shr_u').i64(mask).do('i64.and', 'i64.or')
    }
    emit
      .i64(32n)
      .do('i64.rotl')
      .i64(BigInt(64 - bits))
      .do('i64.shr_u')
  }

  // ---- Memory

  #load64(op: Op, index: number): void {
    const { code, dst, src, imm } = op
    const emit = this.#code
    if (code === ldImm64Code) {
      emit.i64(imm)
      this.#write(dst)
      return
    }
    emit.i32(Number(imm))
    if ((code & 0xe0) === 0x40) this.#read(src).do('i32.wrap_i64', 'i32.add')
    emit.i32(accessSize(code))
    this.#place(index).call(PACKET)
    this.#write(0)
    emit.i32(0).memory('i32.load', endedWord).begin('if').call(LEAVE).i64(0n).do('return').end()
  }

  #address(register: number, offset: number): void {
    this.#read(register)
    if (offset !== 0) this.#code.i64(BigInt(offset)).do('i64.add')
    this.#code.set(ADDRESS)
  }

  #loadInto(dst: number, src: number, offset: number, size: number, isSigned: boolean, index: number): void {
    const emit = this.#code
    if (src === 10 && offset >= -stackSize && offset + size <= 0) this.#loadStack(offset, size, index)
    else this.#loadAnywhere(src, offset, size, index)
    emit.get(VALUE)
    if (isSigned) emit.do(`i64.extend${(size * 8) as 8 | 16 | 32}_s`)
    this.#write(dst)
  }

  #loadStack(offset: number, size: number, index: number): void {
    const emit = this.#code
    const at = stackSize + offset
    emit.get(SHADOW).memory(loads[size]!, at).i64(marks[size]!).do('i64.eq').begin('if')
    emit.get(STACK).memory(loads[size]!, at).set(VALUE).do('else')
    this.#address(10, offset)
    emit.get(ADDRESS).i32(size)
    this.#place(index).call(LOAD).set(VALUE).end()
  }

  /**
   * Leaves to the label outside of the current one when the access is not within plain memory. Sets ENTRY and OFFSET.
   */
  #check(size: number, limitAt: number): void {
    const emit = this.#code
    emit.get(ADDRESS).i64(32n).do('i64.shr_u', 'i32.wrap_i64').i32(tagWord).do('i32.xor').tee(ENTRY)
    emit.i32(maxRegions).do('i32.ge_u').branch('br_if', 0)
    emit.get(ENTRY).i32(entrySize).do('i32.mul').i32(tableBase).do('i32.add').tee(ENTRY)
    emit.memory('i32.load', limitAt).do('i64.extend_i32_u').set(VALUE)
    emit.get(ADDRESS).i64(0xffff_ffffn).do('i64.and').i64(BigInt(bias)).do('i64.sub').tee(OFFSET)
    emit.get(VALUE).do('i64.ge_u').branch('br_if', 0)
    emit.get(OFFSET).i64(BigInt(size)).do('i64.add').get(VALUE).do('i64.gt_u').branch('br_if', 0)
  }

  #loadAnywhere(src: number, offset: number, size: number, index: number): void {
    const emit = this.#code
    this.#address(src, offset)
    emit.begin('block').begin('block')
    this.#check(size, 4)
    emit.get(ENTRY).memory('i32.load', 12).begin('if')
    emit.get(ENTRY).memory('i32.load', 12).get(OFFSET).do('i32.wrap_i64', 'i32.add').memory(loads[size]!)
    emit.i64(marks[size]!).do('i64.ne').branch('br_if', 1).end()
    emit.get(ENTRY).memory('i32.load').get(OFFSET).do('i32.wrap_i64', 'i32.add').memory(loads[size]!)
    emit.set(VALUE).branch('br', 1).end()
    emit.get(ADDRESS).i32(size)
    this.#place(index).call(LOAD).set(VALUE).end()
  }

  #store({ code, dst, offset }: Op, index: number, value: () => Code): void {
    const emit = this.#code
    const size = accessSize(code)
    if (dst === 10 && offset >= -stackSize && offset + size <= 0) {
      const at = stackSize + offset
      emit.get(STACK)
      value().memory(stores[size]!, at)
      emit.get(SHADOW).i64(marks[size]!).memory(stores[size]!, at)
      return
    }
    this.#address(dst, offset)
    emit.begin('block').begin('block')
    this.#check(size, 8)
    emit.get(ENTRY).memory('i32.load').get(OFFSET).do('i32.wrap_i64', 'i32.add')
    value().memory(stores[size]!)
    emit.get(ENTRY).memory('i32.load', 12).begin('if')
    emit.get(ENTRY).memory('i32.load', 12).get(OFFSET).do('i32.wrap_i64', 'i32.add').i64(marks[size]!)
    emit.memory(stores[size]!).end()
    emit.branch('br', 1).end()
    emit.get(ADDRESS)
    value().i32(size)
    this.#place(index).call(STORE).end()
  }

  #atomic(op: Op, index: number): void {
    const { code, dst, src, offset, imm } = op
    const emit = this.#code
    const size = accessSize(code)
    const operation = Number(imm)
    if (operation === BPF_LOAD_ACQ) {
      this.#loadInto(dst, src, offset, size, false, index)
      return
    }
    if (operation === BPF_STORE_REL) {
      this.#store(op, index, () => this.#read(src))
      return
    }
    this.#address(dst, offset)
    emit.get(ADDRESS).i32(size).i32(operation)
    this.#read(src)
    this.#read(0)
    this.#place(index).call(ATOMIC).set(VALUE)
    if (operation === atomicOperations.cmpxchg) {
      emit.get(VALUE)
      this.#write(0)
    } else if ((operation & 1) !== 0) {
      emit.get(VALUE)
      this.#write(src)
    }
  }

  // ---- Jumps and calls

  #jump(op: Op, index: number): void {
    const { code, dst } = op
    const emit = this.#code
    switch (code) {
      case callCode:
        this.#call(op, index)
        return
      case BPF_JMP | jumpOperations.exit:
        emit.call(LEAVE)
        this.#read(0).do('return')
        return
      case BPF_JMP:
      case BPF_JMP32:
        this.#go(op.to, 'br')
        return
      case BPF_JMP | jumpOperations.jcond:
        this.#place(index).call(MAY_GOTO)
        this.#go(op.to, 'br_if')
        return
    }
    const is64 = (code & 7) === BPF_JMP
    const type = is64 ? 'i64' : 'i32'
    this.#read(dst)
    if (!is64) emit.do('i32.wrap_i64')
    this.#right(op)
    if (!is64) emit.do('i32.wrap_i64')
    if ((code & 0xf0) === jumpOperations.jset) emit.do(`${type}.and`, `${type}.eqz`, 'i32.eqz')
    else emit.do(`${type}.${comparisons[code & 0xf0]}` as OpName)
    this.#go(op.to, 'br_if')
  }

  #go(to: number, name: 'br' | 'br_if'): void {
    const emit = this.#code
    const target = this.#blocks.findIndex(({ start }) => start === to)
    if (target > this.#block) {
      emit.branch(name, target - this.#block - 1)
      return
    }
    const loop = this.#blocks.length - 1 - this.#block
    if (name === 'br_if') emit.begin('if')
    emit
      .i32(target)
      .set(TARGET)
      .branch('br', loop + (name === 'br_if' ? 1 : 0))
    if (name === 'br_if') emit.end()
  }

  #call({ src, imm, to }: Op, index: number): void {
    const emit = this.#code
    const isOwn = src === BPF_PSEUDO_CALL
    if (!isOwn) emit.i64(imm)
    for (let register = 1; register <= 5; register++) this.#read(register)
    if (isOwn) emit.call(imports.length + to)
    else this.#place(index).call(src === BPF_PSEUDO_KFUNC_CALL ? KERNEL : HELPER)
    this.#write(0)
    // ld_abs in the function that was called ends the program as a whole.
    if (isOwn) emit.i32(0).memory('i32.load', endedWord).begin('if').call(LEAVE).i64(0n).do('return').end()
  }
}
