import { viewOf } from '../btf/bytes.js'
import { littleEndian as machineIsLittle } from '../machine/byte-order.js'
import type { CType } from './c-types.js'
import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, callCode, jumpReach, ldImm64Code } from './isa.js'

/** A line of the source that an instruction was made from. */
export interface SourceLine {
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** Counted from 1; 0 if it is not known. */
  readonly column: number
  /** The text of the line. */
  readonly text: string
}

/**
 * What an instruction refers to by name. The object file contains it as a relocation, and libbpf fills in the number
 * when it loads the object.
 */
export interface SymbolReference {
  /**
   * `map`: the address of a map. `data`: of a variable in a data section. `extern`: of a kernel symbol or configuration
   * option. `kfunc`: a kernel function that is called.
   */
  readonly kind: 'map' | 'data' | 'extern' | 'kfunc'
  readonly name: string
  /** Bytes from the symbol, for `data`. */
  readonly offset?: number
}

/** A CO-RE relocation: libbpf changes the instruction to fit the running kernel's types. */
export interface CoreRelocation {
  /** The type to look for in the kernel, or its number in the object's BTF. */
  readonly type: CType | number
  /** The path from the type to a member, such as `0:1:2`. */
  readonly access: string
  /** `enum bpf_core_relo_kind` of linux/bpf.h. */
  readonly kind: number
}

/**
 * One BPF instruction. It is plain data: change one by making another (`{ ...instruction, dst: 3 }`).
 *
 * Jumps and calls name their destination ({@link target}), so inserting and removing instructions cannot break them.
 */
export interface Instruction {
  /** The opcode: 8 bits. */
  readonly code: number
  /** The destination register, 0 to 10. */
  readonly dst: number
  /** The source register, 0 to 10, or a number that says what the immediate means. */
  readonly src: number
  /** 16 bits, signed. For a jump with a {@link target} it is ignored. */
  readonly offset: number
  /** 32 bits, signed. A `bigint` is the 64-bit immediate of ld_imm64, which takes two slots of 8 bytes. */
  readonly imm: number | bigint
  /** The label that a jump goes to, or the function that is called or whose address is loaded. */
  readonly target?: string
  /** The names by which jumps and calls find this instruction. */
  readonly labels?: readonly string[]
  readonly symbol?: SymbolReference
  readonly core?: CoreRelocation
  readonly line?: SourceLine
}

export interface AssembleOptions {
  /** The byte order of the machine that the program is for; this machine's by default. */
  littleEndian?: boolean
}

/** How many slots of 8 bytes an instruction takes: jumps count in them. */
export function slotsOf(instruction: Instruction): number {
  return typeof instruction.imm === 'bigint' ? 2 : 1
}

/** The slot of each label. @throws RangeError if two instructions have the same label */
export function labelSlots(instructions: readonly Instruction[]): Map<string, number> {
  const slots = new Map<string, number>()
  let slot = 0
  for (const instruction of instructions) {
    for (const label of instruction.labels ?? []) {
      if (slots.has(label)) throw new RangeError(`label '${label}' is the label of two instructions`)
      slots.set(label, slot)
    }
    slot += slotsOf(instruction)
  }
  return slots
}

/**
 * Turns instructions into bytes, 8 for each and 16 for ld_imm64.
 *
 * @throws RangeError if a label does not exist, a jump is too far for its 16 bits, or a field does not fit
 */
export function assemble(
  instructions: readonly Instruction[],
  { littleEndian = machineIsLittle }: AssembleOptions = {},
): Uint8Array {
  const slots = labelSlots(instructions)
  const bytes = new Uint8Array(8 * instructions.reduce((sum, instruction) => sum + slotsOf(instruction), 0))
  const view = new DataView(bytes.buffer)
  let slot = 0
  for (const instruction of instructions) {
    const { code, dst, src, imm } = instruction
    const { offset, low } = distances(instruction, slot, slots)
    expectRange(instruction, slot, offset, low)
    const at = slot * 8
    view.setUint8(at, code)
    view.setUint8(at + 1, littleEndian ? dst | (src << 4) : (dst << 4) | src)
    view.setInt16(at + 2, offset, littleEndian)
    view.setInt32(at + 4, low, littleEndian)
    if (typeof imm === 'bigint') view.setInt32(at + 12, Number(BigInt.asIntN(32, imm >> 32n)), littleEndian)
    slot += slotsOf(instruction)
  }
  return bytes
}

/** The offset and the low 32 bits of the immediate, with the target's distance filled in. */
function distances(
  instruction: Instruction,
  slot: number,
  slots: ReadonlyMap<string, number>,
): { offset: number; low: number } {
  const { code, offset, imm, target } = instruction
  const low = typeof imm === 'bigint' ? Number(BigInt.asIntN(32, imm)) : imm
  if (target === undefined) return { offset, low }
  const to = slots.get(target)
  if (to === undefined) throw new RangeError(`slot ${slot}: label '${target}' does not exist`)
  const distance = to - slot - 1
  if (jumpReach(code) !== 'offset') return { offset, low: distance }
  if (distance === (distance << 16) >> 16) return { offset: distance, low }
  throw new RangeError(
    `slot ${slot}: label '${target}' is ${distance} slots away, and a jump reaches 32767: use gotol (Linux 6.6)`,
  )
}

function expectRange(instruction: Instruction, slot: number, offset: number, low: number): void {
  const { code, dst, src } = instruction
  const problem =
    code !== (code & 0xff)
      ? `the opcode ${code} does not fit 8 bits`
      : dst !== (dst & 15) || src !== (src & 15)
        ? `register ${dst} or ${src} does not fit 4 bits`
        : offset !== (offset << 16) >> 16
          ? `the offset ${offset} does not fit 16 signed bits`
          : low !== (low | 0)
            ? `the immediate ${low} does not fit 32 signed bits`
            : undefined
  if (problem !== undefined) throw new RangeError(`slot ${slot}: ${problem}`)
}

/**
 * Reads instructions from bytes. Jumps and calls within the code get labels: `L3` for a jump to slot 3, `F12` for a
 * function at slot 12. So `assemble(disassemble(bytes))` gives the same bytes, also after instructions were inserted or
 * removed in between, with all jumps adjusted.
 *
 * @param bytes - a multiple of 8
 * @throws RangeError if the length is not a multiple of 8
 */
export function disassemble(
  bytes: Uint8Array,
  { littleEndian = machineIsLittle }: AssembleOptions = {},
): Instruction[] {
  if (bytes.length % 8 !== 0) throw new RangeError(`code of ${bytes.length} bytes is not a multiple of 8`)
  const view = viewOf(bytes)
  const list: { slot: number; instruction: Instruction }[] = []
  const starts = new Set<number>()
  for (let slot = 0; slot * 8 < bytes.length; slot += slotsOf(list.at(-1)!.instruction)) {
    starts.add(slot)
    list.push({ slot, instruction: readAt(view, slot * 8, littleEndian) })
  }
  const labels = new Map<number, string[]>()
  const targets = list.map(({ slot, instruction }) => {
    const to = destinationOf(instruction, slot)
    // Truncated code may jump beyond its end: such a distance stays as it is.
    if (to === undefined || !starts.has(to.slot)) return undefined
    const names = labels.get(to.slot) ?? []
    const name = `${to.prefix}${to.slot}`
    if (!names.includes(name)) labels.set(to.slot, [...names, name])
    return name
  })
  return list.map(({ slot, instruction }, i) => {
    const [own, target] = [labels.get(slot), targets[i]]
    return { ...instruction, ...(own && { labels: own }), ...(target !== undefined && { target }) }
  })
}

function readAt(view: DataView, at: number, littleEndian: boolean): Instruction {
  const registers = view.getUint8(at + 1)
  const [low, high] = [registers & 15, registers >> 4]
  const code = view.getUint8(at)
  const imm = view.getInt32(at + 4, littleEndian)
  // The second slot of ld_imm64 has an immediate and nothing else. If it has more, or is truncated, this is not
  // ld_imm64.
  const isWide =
    code === ldImm64Code && at + 16 <= view.byteLength && view.getUint32(at + 8, littleEndian) === 0
  return {
    code,
    dst: littleEndian ? low : high,
    src: littleEndian ? high : low,
    offset: view.getInt16(at + 2, littleEndian),
    imm: isWide
      ? (BigInt(view.getUint32(at + 12, littleEndian)) << 32n) | BigInt(view.getUint32(at + 4, littleEndian))
      : imm,
  }
}

function destinationOf(
  instruction: Instruction,
  slot: number,
): { prefix: 'L' | 'F'; slot: number } | undefined {
  const { code, src, offset, imm } = instruction
  const reach = jumpReach(code)
  if (reach !== undefined)
    return { prefix: 'L', slot: slot + 1 + (reach === 'offset' ? offset : Number(imm)) }
  const isCall = code === callCode && src === BPF_PSEUDO_CALL
  const isAddress = typeof imm === 'bigint' && src === BPF_PSEUDO_FUNC && imm >> 32n === 0n
  if (!isCall && !isAddress) return undefined
  return { prefix: 'F', slot: slot + 1 + Number(BigInt.asIntN(32, BigInt(imm))) }
}
