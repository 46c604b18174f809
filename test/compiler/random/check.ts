// Runs a random program in the emulator and in the kernel, and compares both with BigInt arithmetic.
import { type BpfMap, BpfObject, RingBuffer, VerifierError } from 'libbpf-node'
import { CompileError, type CompileOptions, compile } from 'libbpf-node/kernel'
import { Emulator } from 'libbpf-node/testing'
import { kernelIs } from '../../helpers/version.js'
import type { MapOf } from './expressions.js'
import type { Patience } from './patience.js'
import { hex, lasts, type RandomProgram, type Result } from './program.js'
import { sizeOf } from './types.js'

export interface Run {
  readonly input: readonly bigint[]
  readonly packet: Uint8Array
}

export interface Check {
  readonly options: CompileOptions
  readonly executor: 'compiled' | 'interpreted'
  /** Without it, the kernel is not asked. */
  readonly patience?: Patience
  readonly runs: readonly Run[]
}

/** What is wrong with a program: undefined for nothing, 'too large' if the compiler or the verifier gives up on it. */
export function check(
  program: RandomProgram,
  { options, executor, patience, runs }: Check,
): string | undefined {
  let object: Uint8Array
  try {
    ;({ object } = compile(program.text(), options))
  } catch (error) {
    if (
      error instanceof CompileError &&
      /bytes of stack|index into the packet|a loop can have|this is always true/.test(error.reason)
    )
      return 'too large'
    return `the compiler: ${error instanceof CompileError ? error.message : (error as Error).stack}`
  }
  const evaluate = program.begin()
  const expected = runs.map(({ input, packet }) => evaluate(input, packet))
  try {
    const emulated = new Emulated(object, program, executor)
    for (const [number, run] of runs.entries()) {
      const difference = compare(expected[number]!, emulated.run(run))
      if (difference !== undefined) return `run ${number}, in the emulator: ${difference}`
    }
  } catch (error) {
    return `in the emulator: ${(error as Error).message}`
  }
  if (!patience) return undefined
  const opened = BpfObject.open(object)
  try {
    if (!patience.load(opened)) return 'too large'
    using kernel = new InKernel(opened, program)
    for (const [number, run] of runs.entries()) {
      const difference = compare(expected[number]!, kernel.run(run))
      if (difference !== undefined) return `run ${number}, in the kernel: ${difference}`
    }
    return undefined
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error
    if (
      /too large|too complex|combined stack size|stack size of \d+ calls/.test(`${error.message}${error.log}`)
    )
      return 'too large'
    // Linux 6.18 says so of one program in 10,000: it follows back a register that is read nowhere behind a call.
    if (/verifier bug/.test(error.message)) return 'too large'
    // Older verifiers lose what stands next to an array on the stack that is written by a variable index.
    if (!kernelIs('6.9') && /invalid size of register fill/.test(error.message)) return 'too large'
    return `the verifier: ${error.message}`
  } finally {
    opened.close()
  }
}

/** A program in the emulator. */
class Emulated {
  readonly #emulator: Emulator
  readonly #program: RandomProgram

  constructor(object: Uint8Array, program: RandomProgram, executor: Check['executor']) {
    this.#emulator = Emulator.open(object, { executor })
    this.#program = program
    for (const { name, inner } of program.outers)
      this.#emulator.map(name).set(0, this.#emulator.map(inner.name))
  }

  run({ input, packet }: Run): Result {
    const emulator = this.#emulator
    emulator.set('input', input)
    const result = emulator.program('p').run({ packet })
    return {
      retval: BigInt(result.retval),
      output: emulator.get<bigint[]>('output'),
      packet: result.packet!,
      printed: emulator.printed(),
      maps: Object.fromEntries([
        ...this.#program.rings.map(({ name }) => [name, emulator.events(name).map(hex)]),
        ...this.#program.maps.map((map) => [map.name, this.#contents(map)]),
      ]),
    }
  }

  /** What is in a map; one that lasts for one run has nothing in it afterwards. */
  #contents(declared: MapOf): string[] {
    const { name, word } = declared
    const map = this.#emulator.machine.maps.get(name)!
    if (word === 'queue' || word === 'stack') return map.queue.splice(0).map(hex)
    const entries = [...map.entries()]
    if (!lasts(declared)) {
      for (const { key, values } of entries)
        if (map.isArray) map.update(key, new Uint8Array(values[0]!.length), 0)
        else map.delete(key)
    }
    return entries.map(({ key, values }) => `${hex(key)} ${hex(either(values))}`).sort()
  }
}

/** A per-CPU value, of which one CPU has written its own. */
function either(values: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(values[0]!.length)
  for (const value of values) for (const [i, byte] of value.entries()) all[i]! |= byte
  return all
}

/** A program that is loaded. */
class InKernel {
  readonly #opened: BpfObject
  readonly #program: RandomProgram
  readonly #rings: { name: string; reader: RingBuffer<Uint8Array>; records: string[] }[]

  constructor(opened: BpfObject, program: RandomProgram) {
    this.#opened = opened
    this.#program = program
    for (const { name, inner } of program.outers)
      opened.map<number, BpfMap>(name).set(0, opened.map(inner.name))
    this.#rings = program.rings.map(({ name }) => {
      const [reader, records] = [new RingBuffer<Uint8Array>(opened.map(name).raw), [] as string[]]
      reader.on((record) => records.push(hex(record)))
      return { name, reader, records }
    })
  }

  run({ input, packet }: Run): Result {
    const data = this.#opened.data as { input: readonly bigint[]; output: bigint[]; silent: number }
    data.input = input
    data.silent = 1
    const { retval, data: left } = this.#opened.program('p').testRunSync({ data: packet })
    return {
      retval: BigInt(retval),
      output: [...data.output],
      packet: left,
      maps: Object.fromEntries([
        ...this.#rings.map(({ name, reader, records }) => {
          reader.consume()
          return [name, records.splice(0)]
        }),
        ...this.#program.maps.map((map) => [map.name, this.#contents(map)]),
      ]),
    }
  }

  [Symbol.dispose](): void {
    for (const { reader } of this.#rings) reader.close()
  }

  /** What is in a map; one that lasts for one run has nothing in it afterwards. */
  #contents(declared: MapOf): string[] {
    const { name, word, value } = declared
    const map = this.#opened.map(name).raw as BpfMap<Uint8Array, Uint8Array>
    if (word === 'queue' || word === 'stack') {
      const taken: string[] = []
      for (;;) {
        const one = map.lookupAndDelete(new Uint8Array(0))
        if (one === undefined) return word === 'queue' ? taken : taken.reverse()
        taken.push(hex(one))
      }
    }
    const entries = [...map.entries()]
    if (!lasts(declared)) {
      if (word === 'percpuHash') map.clear()
      else for (const [key, all] of entries) map.set(key, new Uint8Array(all.length))
    }
    const size = sizeOf(value)
    return entries
      .map(([key, all]) => {
        const stride = word.startsWith('percpu') ? Math.ceil(size / 8) * 8 : size
        const values = Array.from({ length: all.length / stride }, (_, i) =>
          all.slice(i * stride, i * stride + size),
        )
        return `${hex(key)} ${hex(either(values))}`
      })
      .sort()
  }
}

function compare(expected: Result, found: Result): string | undefined {
  for (const key of ['output', 'retval', 'packet', 'maps'] as const) {
    const [a, b] = [shown(expected[key]), shown(found[key])]
    if (a !== b) return `${key} should be ${a}\n  and is ${b}`
  }
  const [wanted, printed] = [expected.printed!, found.printed]
  if (printed === undefined) return undefined
  const differs = (line: string | undefined, i: number): boolean => (line ?? printed[i]) !== printed[i]
  if (printed.length !== wanted.length || wanted.some(differs))
    return `printed should be ${shown(wanted)}\n  and is ${shown(printed)}`
  return undefined
}

function shown(value: Result[keyof Result]): string {
  if (value instanceof Uint8Array) return hex(value)
  return JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? String(one) : one))
}

/** Leaves out statements as long as the program still goes wrong in the same way. Its text is what is left. */
export function shrink(program: RandomProgram, how: Check, first: string): string {
  const kind = first.replace(/:.*/s, '')
  const same = (message: string | undefined): boolean => {
    if (message === undefined || message === 'too large') return false
    const one = message.replace(/:.*/s, '').replace(/^run \d+/, 'run')
    if (one !== kind.replace(/^run \d+/, 'run')) return false
    return !/^the compiler/.test(first) || messageOf(message) === messageOf(first)
  }
  let left = 400
  for (let isSmaller = true; isSmaller && left > 0; ) {
    isSmaller = false
    for (const list of lists(program.parts)) {
      for (let i = list.length - 1; i >= 0 && left > 0; i--) {
        const [removed] = list.splice(i, 1)
        left--
        if (same(check(program, how))) isSmaller = true
        else list.splice(i, 0, removed!)
      }
    }
  }
  return program.text()
}

const messageOf = (message: string): string | undefined =>
  /\d+:\d+: ([^\n]*)/.exec(message)?.[1]?.replace(/'[^']*'/g, '')

type Lists = RandomProgram['parts']

function lists(all: Lists): Lists[number][] {
  return all.flatMap((list) => [list, ...list.flatMap(({ parts }) => lists(parts ?? []))])
}
