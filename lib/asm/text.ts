// Prints BPF instructions in the syntax of the verifier's log: `r0 = *(u32 *)(r1 +8)`. bpftool prints the same.
import { littleEndian } from '../machine/byte-order.js'

/** One instruction. A load of a 64-bit constant is one instruction of 16 bytes. */
export interface Instruction {
  /** The index in units of 8 bytes, as in jump offsets. */
  readonly index: number
  /** The 8 or 16 bytes of the instruction. */
  readonly bytes: Uint8Array
  /** The opcode as hexadecimal digits, and what the instruction does: `(b7) r0 = 0`. */
  readonly text: string
}

/** The fields of an instruction. @internal */
export interface Fields {
  code: number
  dst: number
  src: number
  offset: number
  immediate: number
  /** The upper half of a 64-bit constant. */
  upper: number
}

/** Names for the numbers in an instruction. Without a name, the number is printed. @internal */
export interface Words {
  /** Returns what is called: `bpf_map_lookup_elem`, or `+7` for a function 7 instructions from here. */
  call?(fields: Fields): string | undefined
  /** The label that a jump goes to, or the function that is called. */
  target?(fields: Fields): string | undefined
  /** What a 64-bit load loads: `map[counts]`. */
  value?(fields: Fields): string | undefined
}

const alu = ['+=', '-=', '*=', '/=', '|=', '&=', '<<=', '>>=', 'neg', '%=', '^=', '=', 's>>=', 'endian']
const signedAlu: Record<number, string> = { 3: 's/=', 9: 's%=' }
const jumps = ['jmp', '==', '>', '>=', '&', '!=', 's>', 's>=', 'call', 'exit', '<', '<=', 's<', 's<=']
const sizes = ['u32', 'u16', 'u8', 'u64']
const signedSizes = ['s32', 's16', 's8', 's64']
const atomics: Record<number, string> = { 0: 'add', 64: 'or', 80: 'and', 160: 'xor' }

const fetch = 0x01
const exchange = 0xe1
const compareExchange = 0xf1
const loadAcquire = 0x100
const storeRelease = 0x110

/** What a 64-bit constant refers to, by its source register. */
const pseudo: Record<number, (fields: Fields) => string> = {
  1: ({ immediate }) => `map[id:${immediate}]`,
  2: ({ immediate, upper }) => `map[id:${immediate}][0]+${upper}`,
  4: ({ immediate }) => `subprog[${signed(immediate)}]`,
  6: ({ immediate, upper }) => `map[idx:${immediate}]+${upper}`,
}

const signed = (value: number): string => (value < 0 ? String(value) : `+${value}`)

/** Prints BPF instructions, which must have the byte order of this machine. */
export function disassemble(code: Uint8Array): Instruction[] {
  return disassembleWith(code, {})
}

/** @internal */
export function disassembleWith(code: Uint8Array, words: Words): Instruction[] {
  const view = new DataView(code.buffer, code.byteOffset, code.length - (code.length % 8))
  const list: Instruction[] = []
  for (let at = 0; at < view.byteLength; ) {
    const fields = fieldsAt(view, at)
    const size = fields.code === 0x18 ? 16 : 8
    const operation = fields.code.toString(16).padStart(2, '0')
    list.push({
      index: at / 8,
      bytes: code.subarray(at, at + size),
      text: `(${operation}) ${textOf(fields, words)}`,
    })
    at += size
  }
  return list
}

function fieldsAt(view: DataView, at: number): Fields {
  const registers = view.getUint8(at + 1)
  const [low, high] = [registers & 15, registers >> 4]
  return {
    code: view.getUint8(at),
    dst: littleEndian ? low : high,
    src: littleEndian ? high : low,
    offset: view.getInt16(at + 2, littleEndian),
    immediate: view.getInt32(at + 4, littleEndian),
    upper: at + 16 <= view.byteLength ? view.getInt32(at + 12, littleEndian) : 0,
  }
}

/** What an instruction does, without its opcode. @internal */
export function textOf(fields: Fields, words: Words): string {
  switch (fields.code & 7) {
    case 0:
      return load(fields, words)
    case 1:
      return loadMemory(fields)
    case 2:
      return store(fields)
    case 3:
      return storeRegister(fields)
    case 4:
      return arithmetic(fields, 'w')
    case 7:
      return arithmetic(fields, 'r')
    case 5:
      return jump(fields, 'r', words)
    default:
      return jump(fields, 'w', words)
  }
}

const sizeOf = (code: number): string => sizes[(code >> 3) & 3]!
const place = ({ code, offset }: Fields, register: number): string =>
  `*(${sizeOf(code)} *)(r${register} ${signed(offset)})`

function load(fields: Fields, words: Words): string {
  const { code, dst, src, immediate, upper } = fields
  switch (code >> 5) {
    case 1:
      return `r0 = *(${sizeOf(code)} *)skb[${immediate}]`
    case 2:
      return `r0 = *(${sizeOf(code)} *)skb[r${src} + ${immediate}]`
  }
  if (code !== 0x18) return unknown(code)
  const value = (BigInt(upper >>> 0) << 32n) | BigInt(immediate >>> 0)
  return `r${dst} = ${words.value?.(fields) ?? pseudo[src]?.(fields) ?? `0x${value.toString(16)}`}`
}

function loadMemory(fields: Fields): string {
  const { code, dst, src, offset } = fields
  switch (code >> 5) {
    case 3:
      return `r${dst} = ${place(fields, src)}`
    case 4:
      return `r${dst} = *(${signedSizes[(code >> 3) & 3]} *)(r${src} ${signed(offset)})`
    default:
      return unknown(code)
  }
}

function store(fields: Fields): string {
  const { code, dst, immediate } = fields
  switch (code >> 5) {
    case 3:
      return `${place(fields, dst)} = ${immediate}`
    case 6:
      return 'nospec'
    default:
      return unknown(code)
  }
}

function storeRegister(fields: Fields): string {
  const { code, dst, src, offset, immediate } = fields
  if (code >> 5 === 3) return `${place(fields, dst)} = r${src}`
  if (code >> 5 !== 6) return unknown(code)
  const width = sizeOf(code) === 'u64' ? '64' : ''
  const target = `(${sizeOf(code)} *)(r${dst} ${signed(offset)})`
  switch (immediate) {
    case exchange:
      return `r${src} = atomic${width}_xchg(${target}, r${src})`
    case compareExchange:
      return `r0 = atomic${width}_cmpxchg(${target}, r0, r${src})`
    case loadAcquire:
      return `r${dst} = load_acquire((${sizeOf(code)} *)(r${src} ${signed(offset)}))`
    case storeRelease:
      return `store_release(${target}, r${src})`
  }
  const name = atomics[immediate & ~fetch]
  if (name === undefined) return unknown(code)
  return (immediate & fetch) === 0
    ? `lock *${target} ${alu[immediate >> 4]} r${src}`
    : `r${src} = atomic${width}_fetch_${name}(${target}, r${src})`
}

function arithmetic({ code, dst, src, offset, immediate }: Fields, register: 'r' | 'w'): string {
  const operation = code >> 4
  const isRegister = (code & 8) !== 0
  if (operation === 13) {
    const order = register === 'r' ? 'bswap' : isRegister ? 'be' : 'le'
    return `r${dst} = ${order}${immediate} r${dst}`
  }
  if (operation === 8) return `${register}${dst} = -${register}${dst}`
  const sign = (offset === 1 && signedAlu[operation]) || alu[operation]
  if (sign === undefined) return unknown(code)
  if (!isRegister) return `${register}${dst} ${sign} ${immediate}`
  if (code === 0xbf && offset === 1) {
    return `r${dst} = addr_space_cast(r${src}, ${immediate >>> 16}, ${immediate & 0xffff})`
  }
  if (code === 0xbf && offset === -1) return `r${dst} = &(void __percpu *)(r${src})`
  const extension = operation === 11 && [8, 16, 32].includes(offset) ? `(s${offset})` : ''
  return `${register}${dst} ${sign} ${extension}${register}${src}`
}

function jump(fields: Fields, register: 'r' | 'w', words: Words): string {
  const { code, dst, src, offset, immediate } = fields
  const to = (distance: number): string => words.target?.(fields) ?? `pc${signed(distance)}`
  switch (code) {
    case 0x85:
    case 0x8d:
      return call(fields, words)
    case 0x05:
      return `goto ${to(offset)}`
    case 0x06:
      return `gotol ${to(immediate)}`
    case 0x0d:
      return `gotox r${dst}`
    case 0xe5:
      return `may_goto ${to(offset)}`
    case 0x95:
      return 'exit'
  }
  const comparison = jumps[code >> 4]
  if (comparison === undefined) return unknown(code)
  const right = (code & 8) !== 0 ? `${register}${src}` : `0x${(immediate >>> 0).toString(16)}`
  return `if ${register}${dst} ${comparison} ${right} goto ${to(offset)}`
}

function call(fields: Fields, words: Words): string {
  const { src, immediate } = fields
  const to = words.target?.(fields)
  if (to !== undefined) return `call ${to}`
  const name = words.call?.(fields)
  if (src === 1) return `call pc${name ?? signed(immediate)}`
  return `call ${name ?? (src === 2 ? 'kernel-function' : 'unknown')}#${immediate}`
}

const unknown = (code: number): string => `unknown operation 0x${code.toString(16)}`
