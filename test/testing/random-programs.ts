// Random programs that the verifier accepts: arithmetic, jumps forward, the stack, atomics, calls. They read their
// input from one variable and leave all registers in another.

import * as asm from 'libbpf-node/asm'
import {
  atomic,
  be,
  bswap,
  buildObject,
  callFunction,
  exit,
  type Instruction,
  ja,
  label,
  ldData,
  ldImm64,
  ldx,
  ldxsx,
  le,
  mov,
  movsx,
  movsx32,
  neg,
  neg32,
  type Register,
  r0,
  r1,
  r2,
  r3,
  r4,
  r5,
  r6,
  r7,
  r8,
  r9,
  r10,
  st,
  stx,
  types,
} from 'libbpf-node/asm'

const registers: Register[] = [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9]
const stackWords = 8
const interesting = [0, 1, -1, 2, 7, 8, 31, 32, 63, 255, 256, 32767, -32768, 65535, 0x7fffffff, -0x80000000]

export interface Random {
  below(limit: number): number
  u64(): bigint
}

/** xorshift: the same numbers for the same seed on every machine. */
export function seeded(seed: number): Random {
  let state = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n
  const next = (): bigint => {
    state ^= BigInt.asUintN(64, state << 13n)
    state ^= state >> 7n
    state = BigInt.asUintN(64, state ^ (state << 17n))
    return state
  }
  return {
    below: (limit) => Number((next() >> 11n) % BigInt(limit)),
    u64: next,
  }
}

/** A conditional jump on numbers. */
export interface Jump {
  /** The function that it is in. */
  readonly fn: string
  /** Which of that function's jumps it is. */
  readonly number: number
  readonly instruction: Instruction
}

export interface RandomOptions {
  /** The newest instruction set to use: 3 for Linux 5.12, 4 for 6.6. */
  isa: 3 | 4
  length: number
  /** Whether to hide the operands of a conditional jump from the verifier. It changes no result. */
  hides?: (jump: Jump) => boolean
}

const binary = ['add', 'sub', 'mul', 'div', 'mod', 'or', 'and', 'xor', 'lsh', 'rsh', 'arsh', 'mov'] as const
const signedBinary = ['sdiv', 'smod'] as const
type Binary = (dst: Register, src: Register | number) => Instruction
const instructions = { ...asm } as unknown as Readonly<Record<string, Binary>>

/** One program's instructions, from inputs in registers to the end of its random part. */
function body(random: Random, { isa, length }: RandomOptions, hasCalls: boolean): Instruction[] {
  const one = <T>(list: readonly T[]): T => list[random.below(list.length)]!
  const register = (): Register => one(registers)
  const number = (): number =>
    random.below(2) === 0 ? one(interesting) : Number(BigInt.asIntN(32, random.u64()))
  const slot = (size: number): number => -8 * stackWords + size * random.below((8 * stackWords) / size)
  const jumps = [
    asm.jeq,
    asm.jgt,
    asm.jle,
    asm.jsge,
    asm.jslt,
    asm.jset,
    asm.jge32,
    asm.jlt32,
    asm.jne32,
    asm.jsgt32,
    asm.jsle32,
    asm.jset32,
    asm.jne,
    asm.jeq32,
  ]
  const list: Instruction[] = []
  const open: { name: string; left: number }[] = []
  let names = 0

  const arithmetic = (): Instruction => {
    const name = one(isa === 4 && random.below(6) === 0 ? signedBinary : binary)
    const is32 = random.below(2) === 0
    const make = instructions[`${name}${is32 ? '32' : ''}`]!
    if (random.below(2) === 0) return make(register(), register())
    if (['lsh', 'rsh', 'arsh'].includes(name)) return make(register(), random.below(is32 ? 32 : 64))
    const value = number()
    return make(register(), ['div', 'mod', 'sdiv', 'smod'].includes(name) && value === 0 ? 3 : value)
  }
  const other = (): Instruction[] => {
    const size = one(['u8', 'u16', 'u32', 'u64'] as const)
    const bytes = { u8: 1, u16: 2, u32: 4, u64: 8 }[size]
    switch (random.below(isa === 4 ? 14 : 10)) {
      case 0:
        return [stx(size, r10, slot(bytes), register())]
      case 1:
        return [st(size, r10, slot(bytes), number())]
      case 2:
      case 3:
        return [ldx(size, register(), r10, slot(bytes))]
      case 4:
        return [neg(register())]
      case 5:
        return [neg32(register())]
      case 6:
        return [one([be, le])(register(), one([16, 32, 64] as const))]
      case 7:
        return [ldImm64(register(), random.u64())]
      case 8: {
        const wide = one(['u32', 'u64'] as const)
        const operation = one([
          'add',
          'or',
          'and',
          'xor',
          'fetch_add',
          'fetch_or',
          'fetch_xor',
          'xchg',
          'cmpxchg',
        ] as const)
        const slotOf = slot(wide === 'u32' ? 4 : 8)
        const change = atomic(operation, wide, r10, slotOf, one(registers.slice(1)))
        // Linux 6.18 on x64 does not always clear the upper half of r0 when a 32-bit cmpxchg succeeds, against the
        // instruction set's description.
        return operation === 'cmpxchg' && wide === 'u32' ? [change, asm.mov32(r0, r0)] : [change]
      }
      case 9:
        if (!hasCalls) return [arithmetic()]
        if (random.below(2) === 0) return mapAccess()
        // The call leaves r1 to r5 unreadable.
        return [callFunction(`mix${random.below(2)}`), ...[r1, r2, r3, r4, r5].map((r) => mov(r, number()))]
      case 10:
        return [movsx(register(), register(), one([8, 16, 32] as const))]
      case 11:
        return [movsx32(register(), register(), one([8, 16] as const))]
      case 12:
        return [bswap(register(), one([16, 32, 64] as const))]
      default: {
        const small = one(['u8', 'u16', 'u32'] as const)
        return [ldxsx(small, register(), r10, slot({ u8: 1, u16: 2, u32: 4 }[small]))]
      }
    }
  }
  /** Looks up, updates or deletes one of a few keys. The stack below what is compared holds the key and the value. */
  const mapAccess = (): Instruction[] => {
    const operation = one(['map_lookup_elem', 'map_update_elem', 'map_delete_elem'] as const)
    const found = `m${names++}`
    const [key, value] = [-8 * stackWords - 16, -8 * stackWords - 24]
    return [
      stx('u64', r10, value, register()),
      st('u64', r10, key, random.below(6)),
      mov(r2, r10),
      asm.add(r2, key),
      mov(r3, r10),
      asm.add(r3, value),
      mov(r4, random.below(3)),
      asm.ldMap(r1, one(['hash', 'array'])),
      asm.call(operation),
      ...(operation === 'map_lookup_elem'
        ? [asm.jeq(r0, 0, found), ldx('u64', r0, r0), label(found, mov(r1, number()))]
        : // Kernels before 6.4 leave the upper half of an int as it is.
          [asm.mov32(r0, r0), mov(r1, number())]),
      ...[r2, r3, r4, r5].map((r) => mov(r, number())),
    ]
  }
  while (list.length < length) {
    for (const pending of open) pending.left--
    const due = open.filter(({ left }) => left <= 0)
    let next: Instruction[]
    const kind = random.below(10)
    if (kind < 6) next = [arithmetic()]
    else if (kind < 9) next = other()
    else {
      const name = `j${names++}`
      open.push({ name, left: 1 + random.below(8) })
      const right = random.below(2) === 0 ? register() : number()
      next = [one(jumps)(register(), right, name)]
      if (random.below(8) === 0) {
        // What follows a jump must be reached in another way.
        const skip = `j${names++}`
        open.push({ name: skip, left: 0 })
        next = [one(jumps)(register(), right, skip), ja(name)]
      }
    }
    for (const { name } of due) {
      open.splice(
        open.findIndex((pending) => pending.name === name),
        1,
      )
      next = [label(name, next[0]!), ...next.slice(1)]
    }
    list.push(...next)
  }
  return [...list, open.reduce((instruction, { name }) => label(name, instruction), mov(r0, r0))]
}

/**
 * Sends the operands of jumps through memory in a way that leaves the verifier without their bounds: it forgets what is
 * in a place of the stack once that was exchanged.
 */
function hide(
  fn: string,
  list: readonly Instruction[],
  hides: NonNullable<RandomOptions['hides']>,
): Instruction[] {
  const place = -8 * (stackWords + 4)
  const forget = (register: number): Instruction[] => [
    stx('u64', r10, place, { register }),
    atomic('xchg', 'u64', r10, place, { register }),
    ldx('u64', { register }, r10, place),
  ]
  let number = 0
  return list.flatMap((instruction) => {
    // A jump after a look-up compares a pointer, and its label begins with another letter.
    const isConditional = instruction.target?.startsWith('j') === true && instruction.code !== jumpAlways
    if (!isConditional || !hides({ fn, number: number++, instruction })) return [instruction]
    const { labels = [], ...jump } = instruction
    const right = (jump.code & 8) !== 0 && jump.src !== jump.dst ? forget(jump.src) : []
    const [first, ...rest] = [...forget(jump.dst), ...right, jump]
    return [{ ...first!, labels }, ...rest]
  })
}

const jumpAlways = ja('').code

const u64 = types.u64

/** An object with `count` programs `p0`, `p1`, ... that run with `test_run`. */
export function randomObject(random: Random, count: number, options: RandomOptions): Uint8Array {
  const { hides = () => false } = options
  const programs = Object.fromEntries(
    Array.from({ length: count }, (_, i) => {
      const instructions = [
        ldData(r1, 'input'),
        ...Array.from({ length: stackWords }, (_, word) => [
          ldx('u64', r0, r1, 8 * word),
          stx('u64', r10, -8 * (word + 1), r0),
        ]).flat(),
        ...registers.filter((r) => r !== r1).map((r) => ldx('u64', r, r1, 8 * r.register)),
        ldx('u64', r1, r1, 8),
        ...hide(`p${i}`, body(random, options, true), hides),
        // One register makes room for the address of the result.
        stx('u64', r10, -8 * (stackWords + 1), r1),
        ldData(r1, 'output'),
        ...registers.filter((r) => r !== r1).map((r) => stx('u64', r1, 8 * r.register, r)),
        ...Array.from({ length: stackWords + 1 }, (_, word) => [
          ldx('u64', r0, r10, -8 * (word + 1)),
          stx('u64', r1, 80 + 8 * word, r0),
        ]).flat(),
        mov(r0, 0),
        exit(),
      ]
      return [`p${i}`, { section: 'syscall', instructions }]
    }),
  )
  const mix = (i: number) => ({
    type: types.prototype(u64, { a: u64, b: u64 }),
    instructions: [
      ...[r0, r3, r4, r5, r6, r7, r8, r9].map((r) => mov(r, r1)),
      ...Array.from({ length: stackWords }, (_, word) => stx('u64', r10, -8 * (word + 1), r2)),
      ...hide(`mix${i}`, body(random, { ...options, length: 10 + i * 10 }, false), hides),
      exit(),
    ],
  })
  return buildObject({
    license: 'GPL',
    maps: {
      hash: { type: 'hash', maxEntries: 4, key: types.u32, value: u64 },
      array: { type: 'array', maxEntries: 4, key: types.u32, value: u64 },
    },
    globals: { input: { type: types.array(u64, 10) }, output: { type: types.array(u64, 32) } },
    functions: { mix0: mix(0), mix1: mix(1) },
    programs,
  })
}
