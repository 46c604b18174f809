import { alu } from '../asm/arithmetic.js'
import {
  accessSize,
  aluOperations,
  atomicOperations,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_IND,
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
import { compares, swapBytes, u64 } from './operations.js'
import type { LinkedFunction, Op } from './program.js'

/** The result of ld_abs and ld_ind beyond the packet: the program ends. */
const ended = Symbol('ended')

/**
 * Runs programs one instruction after the other. It is slow and plain, and knows which registers were never written.
 */
export class Interpreter implements Executor {
  readonly #host: Host

  constructor(host: Host) {
    this.#host = host
  }

  call(functionNumber: number, args: readonly bigint[]): bigint {
    const result = this.enter(functionNumber, args)
    if (result === undefined) this.#host.fault('r0 was never written')
    return result
  }

  /** The result is undefined for a function that returns nothing. */
  enter(functionNumber: number, args: readonly bigint[]): bigint | undefined {
    const stack = this.#host.enter()
    const registers: (bigint | undefined)[] = [undefined, ...args]
    registers.length = 11
    registers[10] = this.#host.framePointer(stack)
    const frame = new Frame(this.#host, this, this.#host.functions[functionNumber]!, registers)
    const result = frame.run()
    this.#host.leave()
    return result
  }
}

class Frame {
  readonly #host: Host
  readonly #interpreter: Interpreter
  readonly #function: LinkedFunction
  readonly #registers: (bigint | undefined)[]

  constructor(host: Host, interpreter: Interpreter, fn: LinkedFunction, registers: (bigint | undefined)[]) {
    this.#host = host
    this.#interpreter = interpreter
    this.#function = fn
    this.#registers = registers
  }

  run(): bigint | undefined {
    const { ops, number } = this.#function
    const counters = this.#host.countersAt(number)
    for (let index = 0; ; ) {
      const op = ops[index]
      this.#host.at(number, index)
      if (op === undefined) this.#host.fault('the program runs past its last instruction')
      this.#host.spend(1)
      if (counters !== undefined) this.#host.count(counters + index * 4)
      switch (op.code & 7) {
        case BPF_ALU:
        case BPF_ALU64:
          this.#arithmetic(op)
          break
        case BPF_JMP:
        case BPF_JMP32: {
          if (op.code === (BPF_JMP | jumpOperations.exit)) return this.#registers[0]
          if (this.#jump(op)) {
            index = op.to
            continue
          }
          break
        }
        default:
          if (this.#memory(op) === ended) return 0n
      }
      index++
    }
  }

  #get(register: number): bigint {
    const value = this.#registers[register]
    if (value === undefined) this.#host.fault(`r${register} was never written`)
    return value
  }

  #set(register: number, value: bigint): void {
    if (register === 10) this.#host.fault('r10 is read-only')
    this.#registers[register] = u64(value)
  }

  #arithmetic({ code, dst, src, offset, imm }: Op): void {
    const bits = (code & 7) === BPF_ALU64 ? 64 : 32
    const operation = code & 0xf0
    if (operation === aluOperations.end) {
      const value = this.#get(dst)
      const width = Number(imm)
      // le leaves the bytes of a little-endian machine as they are.
      const swaps = bits === 64 || (code & BPF_X) !== 0
      this.#set(dst, swaps ? swapBytes(value, width) : BigInt.asUintN(width, value))
      return
    }
    const right = (code & BPF_X) !== 0 ? this.#get(src) : imm
    const left = operation === aluOperations.mov ? 0n : this.#get(dst)
    this.#set(dst, alu(code, bits, left, right, offset))
  }

  /** Whether the jump is taken. */
  #jump(op: Op): boolean {
    const { code, dst, src, imm } = op
    switch (code) {
      case callCode:
        this.#call(op)
        return false
      case BPF_JMP:
      case BPF_JMP32:
        return true
      case BPF_JMP | jumpOperations.jcond:
        return this.#host.mayGoto()
    }
    const right = (code & BPF_X) !== 0 ? this.#get(src) : imm
    return compares(code, (code & 7) === BPF_JMP ? 64 : 32, this.#get(dst), right)
  }

  #call({ src, imm, to }: Op): void {
    // The callee knows how many arguments it has; registers that it does not use may never have been written.
    const args = [1, 2, 3, 4, 5].map((register) => this.#registers[register] ?? 0n)
    const result =
      src === BPF_PSEUDO_CALL
        ? this.#interpreter.enter(to, args)
        : src === BPF_PSEUDO_KFUNC_CALL
          ? this.#host.callKernel(imm, args)
          : this.#host.callHelper(Number(imm), args)
    this.#registers.fill(undefined, 1, 6)
    this.#registers[0] = result === undefined ? undefined : u64(result)
  }

  #memory(op: Op): typeof ended | undefined {
    const { code, dst, src, offset, imm } = op
    const size = accessSize(code)
    const at = (register: number): bigint => u64(this.#get(register) + BigInt(offset))
    switch (code & 7) {
      case BPF_LD:
        return this.#load64(op, size)
      case BPF_LDX: {
        const value = this.#host.load(at(src), size)
        const isSigned = (code & 0xe0) === BPF_MEMSX
        this.#set(dst, isSigned ? BigInt.asIntN(size * 8, value) : value)
        break
      }
      case BPF_ST:
        this.#host.store(at(dst), size, BigInt.asUintN(size * 8, imm))
        break
      case BPF_STX:
        if ((code & 0xe0) === BPF_ATOMIC) this.#atomic(op, size)
        else this.#host.store(at(dst), size, BigInt.asUintN(size * 8, this.#get(src)))
    }
    return undefined
  }

  #load64({ code, dst, src, imm }: Op, size: number): typeof ended | undefined {
    if (code === ldImm64Code) {
      this.#set(dst, imm)
      return undefined
    }
    const index = (code & 0xe0) === BPF_IND ? Number(BigInt.asIntN(32, this.#get(src))) : 0
    const value = this.#host.loadPacket(Number(imm) + index, size)
    if (value === undefined) return ended
    // The kernel calls a function for it, which destroys the same registers as a helper.
    this.#registers.fill(undefined, 1, 6)
    this.#set(0, value)
    return undefined
  }

  #atomic({ dst, src, offset, imm }: Op, size: number): void {
    const operation = Number(imm)
    if (operation === BPF_LOAD_ACQ) {
      this.#set(dst, this.#host.load(u64(this.#get(src) + BigInt(offset)), size))
      return
    }
    const address = u64(this.#get(dst) + BigInt(offset))
    const source = BigInt.asUintN(size * 8, this.#get(src))
    if (operation === BPF_STORE_REL) {
      this.#host.store(address, size, source)
      return
    }
    const isCompare = operation === atomicOperations.cmpxchg
    const old = this.#host.atomic(address, size, operation, source, isCompare ? this.#get(0) : 0n)
    if (isCompare) this.#set(0, old)
    else if ((operation & 1) !== 0) this.#set(src, old)
  }
}
