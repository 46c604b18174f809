// The BPF instruction set as numbers (RFC 9669 and linux/bpf.h). An opcode's low three bits are its class. The rest is
// an operation and a source bit for arithmetic and jumps, or a mode and a size for loads and stores.

export const BPF_LD = 0x00
export const BPF_LDX = 0x01
export const BPF_ST = 0x02
export const BPF_STX = 0x03
export const BPF_ALU = 0x04
export const BPF_JMP = 0x05
export const BPF_JMP32 = 0x06
export const BPF_ALU64 = 0x07

/** The source operand is the immediate (K) or a register (X). */
export const BPF_K = 0x00
export const BPF_X = 0x08

export const aluOperations = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  div: 0x30,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  neg: 0x80,
  mod: 0x90,
  xor: 0xa0,
  mov: 0xb0,
  arsh: 0xc0,
  end: 0xd0,
} as const
export type AluOperation = keyof typeof aluOperations

export const jumpOperations = {
  ja: 0x00,
  jeq: 0x10,
  jgt: 0x20,
  jge: 0x30,
  jset: 0x40,
  jne: 0x50,
  jsgt: 0x60,
  jsge: 0x70,
  call: 0x80,
  exit: 0x90,
  jlt: 0xa0,
  jle: 0xb0,
  jslt: 0xc0,
  jsle: 0xd0,
  jcond: 0xe0,
} as const
export type JumpOperation = keyof typeof jumpOperations

export const sizes = { u32: 0x00, u16: 0x08, u8: 0x10, u64: 0x18 } as const
/** How many bytes a load or store moves, in the kernel's names for it. */
export type Size = keyof typeof sizes

/** The name of a size in bytes. */
export const sizeNamed = (bytes: number): Size => `u${(bytes * 8) as 8 | 16 | 32 | 64}`

const bytesOf = [4, 2, 1, 8]
/** How many bytes the opcode of a load or store moves. */
export const accessSize = (code: number): number => bytesOf[(code >> 3) & 3]!

export const BPF_IMM = 0x00
export const BPF_ABS = 0x20
export const BPF_IND = 0x40
export const BPF_MEM = 0x60
export const BPF_MEMSX = 0x80
export const BPF_ATOMIC = 0xc0

/** What an atomic instruction does, in its immediate. */
export const atomicOperations = {
  add: 0x00,
  or: 0x40,
  and: 0x50,
  xor: 0xa0,
  fetch_add: 0x01,
  fetch_or: 0x41,
  fetch_and: 0x51,
  fetch_xor: 0xa1,
  xchg: 0xe1,
  cmpxchg: 0xf1,
} as const
export type AtomicOperation = keyof typeof atomicOperations
export const BPF_LOAD_ACQ = 0x100
export const BPF_STORE_REL = 0x110

/** The opcode of all calls. */
export const callCode = BPF_JMP | jumpOperations.call

/** The opcode of ld_imm64, the only instruction of 16 bytes. */
export const ldImm64Code = BPF_LD | BPF_IMM | sizes.u64

/** What the immediate of ld_imm64 means, as its source register says. */
export const BPF_PSEUDO_MAP_FD = 1
export const BPF_PSEUDO_MAP_VALUE = 2
export const BPF_PSEUDO_BTF_ID = 3
export const BPF_PSEUDO_FUNC = 4
export const BPF_PSEUDO_MAP_IDX = 5
export const BPF_PSEUDO_MAP_IDX_VALUE = 6

/** What is called, as the source register of a call says; 0 is a helper. */
export const BPF_PSEUDO_CALL = 1
export const BPF_PSEUDO_KFUNC_CALL = 2

/** The field that holds the distance of a jump. */
export type Reach = 'offset' | 'immediate'

/** Where a jump keeps its distance; `undefined` for instructions that do not jump by a distance. */
export function jumpReach(code: number): Reach | undefined {
  const kind = code & 0x07
  if (kind !== BPF_JMP && kind !== BPF_JMP32) return undefined
  switch (code & 0xf0) {
    case jumpOperations.call:
    case jumpOperations.exit:
    case 0xf0:
      return undefined
    case jumpOperations.ja:
      if (code === BPF_JMP) return 'offset'
      return code === BPF_JMP32 ? 'immediate' : undefined
    case jumpOperations.jcond:
      return code === (BPF_JMP | jumpOperations.jcond) ? 'offset' : undefined
    default:
      return 'offset'
  }
}
