// One function for each instruction, with the kernel's names. The destination comes first, as in C's assignment.
import { type HelperName, helperNumber } from './helper-names.js'
import type { Instruction, SymbolReference } from './instruction.js'
import {
  type AluOperation,
  type AtomicOperation,
  aluOperations,
  atomicOperations,
  BPF_ABS,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_IND,
  BPF_JMP,
  BPF_JMP32,
  BPF_K,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_IDX,
  BPF_PSEUDO_MAP_IDX_VALUE,
  BPF_PSEUDO_MAP_VALUE,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_X,
  callCode,
  type JumpOperation,
  jumpOperations,
  ldImm64Code,
  type Size,
  sizes,
} from './isa.js'

/**
 * A register. Programs return {@link r0}, take arguments in {@link r1} to {@link r5}, and find their stack below {@link
 * r10}.
 */
export interface Register {
  readonly register: number
}

const register = (number: number): Register => Object.freeze({ register: number })
export const r0 = register(0)
export const r1 = register(1)
export const r2 = register(2)
export const r3 = register(3)
export const r4 = register(4)
export const r5 = register(5)
export const r6 = register(6)
export const r7 = register(7)
export const r8 = register(8)
export const r9 = register(9)
/** The frame pointer, which is read-only: a function's stack is the 512 bytes below it. */
export const r10 = register(10)

type Source = Register | number

/** A number for a 32-bit immediate, signed or unsigned. */
function imm32(value: number): number {
  if (Number.isInteger(value) && value >= -0x8000_0000 && value <= 0xffff_ffff) return value | 0
  throw new RangeError(`${value} does not fit a 32-bit immediate: load it with ldImm64`)
}

function make(fields: Partial<Instruction> & { code: number }): Instruction {
  return { dst: 0, src: 0, offset: 0, imm: 0, ...fields }
}

// Arithmetic

type Alu = (dst: Register, src: Source) => Instruction

const alu =
  (kind: number, operation: AluOperation, offset = 0): Alu =>
  (dst, src) =>
    typeof src === 'number'
      ? make({ code: kind | aluOperations[operation] | BPF_K, dst: dst.register, offset, imm: imm32(src) })
      : make({ code: kind | aluOperations[operation] | BPF_X, dst: dst.register, src: src.register, offset })

export const add = alu(BPF_ALU64, 'add')
export const sub = alu(BPF_ALU64, 'sub')
export const mul = alu(BPF_ALU64, 'mul')
/** Unsigned. Division by zero gives 0. */
export const div = alu(BPF_ALU64, 'div')
/** Signed, rounded toward zero. Division by zero gives 0. (Linux 6.6) */
export const sdiv = alu(BPF_ALU64, 'div', 1)
/** The remainder of {@link div}. With a divisor of zero, `dst` does not change. */
export const mod = alu(BPF_ALU64, 'mod')
/** The remainder of {@link sdiv}. (Linux 6.6) */
export const smod = alu(BPF_ALU64, 'mod', 1)
export const or = alu(BPF_ALU64, 'or')
export const and = alu(BPF_ALU64, 'and')
export const xor = alu(BPF_ALU64, 'xor')
export const lsh = alu(BPF_ALU64, 'lsh')
export const rsh = alu(BPF_ALU64, 'rsh')
/** Shifts right and keeps the sign. */
export const arsh = alu(BPF_ALU64, 'arsh')
/** Copies a register, or loads a number of 32 bits and extends its sign. */
export const mov = alu(BPF_ALU64, 'mov')

// Arithmetic on the low 32 bits; the upper 32 bits of the destination become zero.

export const add32 = alu(BPF_ALU, 'add')
export const sub32 = alu(BPF_ALU, 'sub')
export const mul32 = alu(BPF_ALU, 'mul')
export const div32 = alu(BPF_ALU, 'div')
export const sdiv32 = alu(BPF_ALU, 'div', 1)
export const mod32 = alu(BPF_ALU, 'mod')
export const smod32 = alu(BPF_ALU, 'mod', 1)
export const or32 = alu(BPF_ALU, 'or')
export const and32 = alu(BPF_ALU, 'and')
export const xor32 = alu(BPF_ALU, 'xor')
export const lsh32 = alu(BPF_ALU, 'lsh')
export const rsh32 = alu(BPF_ALU, 'rsh')
export const arsh32 = alu(BPF_ALU, 'arsh')
export const mov32 = alu(BPF_ALU, 'mov')

export const neg = (dst: Register): Instruction =>
  make({ code: BPF_ALU64 | aluOperations.neg, dst: dst.register })
export const neg32 = (dst: Register): Instruction =>
  make({ code: BPF_ALU | aluOperations.neg, dst: dst.register })

/** Copies the low 8, 16 or 32 bits and extends their sign to 64 bits. (Linux 6.6) */
export const movsx = (dst: Register, src: Register, bits: 8 | 16 | 32): Instruction =>
  make({ code: BPF_ALU64 | aluOperations.mov | BPF_X, dst: dst.register, src: src.register, offset: bits })
/** Copies the low 8 or 16 bits and extends their sign to 32 bits. (Linux 6.6) */
export const movsx32 = (dst: Register, src: Register, bits: 8 | 16): Instruction =>
  make({ code: BPF_ALU | aluOperations.mov | BPF_X, dst: dst.register, src: src.register, offset: bits })

/** Converts the low bits between the machine's byte order and little-endian. Also clears the bits above. */
export const le = (dst: Register, bits: 16 | 32 | 64): Instruction =>
  make({ code: BPF_ALU | aluOperations.end | BPF_K, dst: dst.register, imm: bits })
/** Converts the low bits between the machine's byte order and big-endian, the network's. Also clears the bits above. */
export const be = (dst: Register, bits: 16 | 32 | 64): Instruction =>
  make({ code: BPF_ALU | aluOperations.end | BPF_X, dst: dst.register, imm: bits })
/** Swaps the low bytes on any machine. Also clears the bits above. (Linux 6.6) */
export const bswap = (dst: Register, bits: 16 | 32 | 64): Instruction =>
  make({ code: BPF_ALU64 | aluOperations.end, dst: dst.register, imm: bits })

/** Converts a pointer into an arena between address spaces 0 and 1. (Linux 6.9) */
export const addrSpaceCast = (dst: Register, src: Register, to: 0 | 1, from: 0 | 1): Instruction =>
  make({
    code: BPF_ALU64 | aluOperations.mov | BPF_X,
    dst: dst.register,
    src: src.register,
    offset: 1,
    imm: (to << 16) | from,
  })

// Memory

/** `dst = *(size *)(src + offset)`; the bits above become zero. */
export const ldx = (size: Size, dst: Register, src: Register, offset = 0): Instruction =>
  make({ code: BPF_LDX | BPF_MEM | sizes[size], dst: dst.register, src: src.register, offset })
/** The same as {@link ldx}, with the sign extended to 64 bits. (Linux 6.6) */
export const ldxsx = (size: 'u8' | 'u16' | 'u32', dst: Register, src: Register, offset = 0): Instruction =>
  make({ code: BPF_LDX | BPF_MEMSX | sizes[size], dst: dst.register, src: src.register, offset })
/** `*(size *)(dst + offset) = src` */
export const stx = (size: Size, dst: Register, offset: number, src: Register): Instruction =>
  make({ code: BPF_STX | BPF_MEM | sizes[size], dst: dst.register, src: src.register, offset })
/** `*(size *)(dst + offset) = imm`; the number's sign is extended to 64 bits. */
export const st = (size: Size, dst: Register, offset: number, imm: number): Instruction =>
  make({ code: BPF_ST | BPF_MEM | sizes[size], dst: dst.register, offset, imm: imm32(imm) })
/** Loads from a packet by offset into r0, in the machine's byte order. The socket buffer must be in r6. */
export const ldAbs = (size: 'u8' | 'u16' | 'u32', offset: number): Instruction =>
  make({ code: BPF_LD | BPF_ABS | sizes[size], imm: imm32(offset) })
/** The same as {@link ldAbs}, at `src + offset`. */
export const ldInd = (size: 'u8' | 'u16' | 'u32', src: Register, offset: number): Instruction =>
  make({ code: BPF_LD | BPF_IND | sizes[size], src: src.register, imm: imm32(offset) })

/**
 * Changes memory at `dst + offset` atomically. Operations that begin with `fetch_` and `xchg` leave the old value in
 * `src`; `cmpxchg` compares with r0 and leaves the old value there. (`add` works on every kernel; the others need Linux
 * 5.12)
 */
export const atomic = (
  operation: AtomicOperation,
  size: 'u32' | 'u64',
  dst: Register,
  offset: number,
  src: Register,
): Instruction =>
  make({
    code: BPF_STX | BPF_ATOMIC | sizes[size],
    dst: dst.register,
    src: src.register,
    offset,
    imm: atomicOperations[operation],
  })
/** A load that later memory accesses cannot overtake. (Linux 6.15) */
export const loadAcquire = (size: Size, dst: Register, src: Register, offset = 0): Instruction =>
  make({
    code: BPF_STX | BPF_ATOMIC | sizes[size],
    dst: dst.register,
    src: src.register,
    offset,
    imm: BPF_LOAD_ACQ,
  })
/** A store that cannot overtake earlier memory accesses. (Linux 6.15) */
export const storeRelease = (size: Size, dst: Register, offset: number, src: Register): Instruction =>
  make({
    code: BPF_STX | BPF_ATOMIC | sizes[size],
    dst: dst.register,
    src: src.register,
    offset,
    imm: BPF_STORE_REL,
  })

// 64-bit immediates

const wide = (dst: Register, src: number, imm: bigint, more: Partial<Instruction> = {}): Instruction =>
  make({ code: ldImm64Code, dst: dst.register, src, imm, ...more })

/** Loads any 64-bit number. */
export const ldImm64 = (dst: Register, value: bigint | number): Instruction =>
  wide(dst, 0, BigInt.asUintN(64, BigInt(value)))
/** Loads the address of a map by its descriptor. */
export const ldMapFd = (dst: Register, fd: number): Instruction => wide(dst, BPF_PSEUDO_MAP_FD, u32(fd))
/** Loads the address of the first value of a map by its descriptor, `offset` bytes in. (Linux 5.2) */
export const ldMapValue = (dst: Register, fd: number, offset = 0): Instruction =>
  wide(dst, BPF_PSEUDO_MAP_VALUE, (u32(offset) << 32n) | u32(fd))
/** Loads the address of a map by its index in the array of descriptors that the program is loaded with. (Linux 5.14) */
export const ldMapIdx = (dst: Register, index: number): Instruction =>
  wide(dst, BPF_PSEUDO_MAP_IDX, u32(index))
/** Loads the address of the first value of such a map, `offset` bytes in. (Linux 5.14) */
export const ldMapIdxValue = (dst: Register, index: number, offset = 0): Instruction =>
  wide(dst, BPF_PSEUDO_MAP_IDX_VALUE, (u32(offset) << 32n) | u32(index))
/** Loads the address of a kernel variable by the number of its VAR in the kernel's BTF. (Linux 5.10) */
export const ldBtfId = (dst: Register, id: number): Instruction => wide(dst, BPF_PSEUDO_BTF_ID, u32(id))
/** Loads the address of a function of this program, for helpers that call back. (Linux 5.13) */
export const ldFunction = (dst: Register, target: string): Instruction =>
  wide(dst, BPF_PSEUDO_FUNC, 0n, { target })
/** Loads the address of a map of the object by its name. */
export const ldMap = (dst: Register, name: string): Instruction =>
  wide(dst, 0, 0n, { symbol: { kind: 'map', name } })
/** Loads the address of a global variable of the object by its name. */
export const ldData = (dst: Register, name: string, offset = 0): Instruction =>
  wide(dst, 0, 0n, { symbol: { kind: 'data', name, offset } })
/** Loads the address or value of an extern: a kernel symbol (ksym) or an option of the kernel's configuration. */
export const ldExtern = (dst: Register, name: string): Instruction =>
  wide(dst, 0, 0n, { symbol: { kind: 'extern', name } satisfies SymbolReference })

const u32 = (value: number): bigint => BigInt.asUintN(32, BigInt(value))

// Jumps

type Jump = (dst: Register, src: Source, target: string) => Instruction

const jump =
  (kind: number, operation: JumpOperation): Jump =>
  (dst, src, target) =>
    typeof src === 'number'
      ? make({ code: kind | jumpOperations[operation] | BPF_K, dst: dst.register, imm: imm32(src), target })
      : make({ code: kind | jumpOperations[operation] | BPF_X, dst: dst.register, src: src.register, target })

export const jeq = jump(BPF_JMP, 'jeq')
export const jne = jump(BPF_JMP, 'jne')
export const jgt = jump(BPF_JMP, 'jgt')
export const jge = jump(BPF_JMP, 'jge')
export const jlt = jump(BPF_JMP, 'jlt')
export const jle = jump(BPF_JMP, 'jle')
export const jsgt = jump(BPF_JMP, 'jsgt')
export const jsge = jump(BPF_JMP, 'jsge')
export const jslt = jump(BPF_JMP, 'jslt')
export const jsle = jump(BPF_JMP, 'jsle')
/** Jumps if `dst & src` is not zero. */
export const jset = jump(BPF_JMP, 'jset')

// Comparisons of the low 32 bits (Linux 5.1)

export const jeq32 = jump(BPF_JMP32, 'jeq')
export const jne32 = jump(BPF_JMP32, 'jne')
export const jgt32 = jump(BPF_JMP32, 'jgt')
export const jge32 = jump(BPF_JMP32, 'jge')
export const jlt32 = jump(BPF_JMP32, 'jlt')
export const jle32 = jump(BPF_JMP32, 'jle')
export const jsgt32 = jump(BPF_JMP32, 'jsgt')
export const jsge32 = jump(BPF_JMP32, 'jsge')
export const jslt32 = jump(BPF_JMP32, 'jslt')
export const jsle32 = jump(BPF_JMP32, 'jsle')
export const jset32 = jump(BPF_JMP32, 'jset')

/** Always jumps, at most 32767 slots. */
export const ja = (target: string): Instruction => make({ code: BPF_JMP, target })
/** Always jumps, as far as needed. (Linux 6.6) */
export const gotol = (target: string): Instruction => make({ code: BPF_JMP32, target })
/** Continues, or jumps out of a loop once the kernel's budget of 8 million rounds is spent. (Linux 6.9) */
export const mayGoto = (target: string): Instruction => make({ code: BPF_JMP | jumpOperations.jcond, target })

// Calls

/** Calls a helper by its name or number. Arguments are in r1 to r5, the result in r0; r1 to r5 are lost afterwards. */
export const call = (helper: number | HelperName | `bpf_${HelperName}`): Instruction =>
  make({
    code: callCode,
    imm: typeof helper === 'number' ? helper : helperNumber(helper),
  })
/** Calls a function of this program by its label. (Linux 4.16) */
export const callFunction = (target: string): Instruction =>
  make({ code: callCode, src: BPF_PSEUDO_CALL, imm: -1, target })
/** Calls a kernel function by its name. (Linux 5.13) */
export const callKfunc = (name: string): Instruction =>
  make({
    code: callCode,
    src: BPF_PSEUDO_KFUNC_CALL,
    imm: -1,
    symbol: { kind: 'kfunc', name },
  })
/** Returns r0 to the caller, or ends the program with it. */
export const exit = (): Instruction => make({ code: BPF_JMP | jumpOperations.exit })
