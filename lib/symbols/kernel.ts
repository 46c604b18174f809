import { readFileSync } from 'node:fs'
import { BpfError, type SourceLine } from '../errors/errors.js'
import { listIds } from '../kernel/ids.js'
import { addressNumber } from '../machine/mappings.js'
import { read } from '../machine/read.js'
import { type JitedFunction, jitedFunctionsOf } from '../programs/dump.js'
import { type Frame, unknown } from './frame.js'
import { type Found, type RawSymbol, SymbolTable } from './table.js'

/** The functions of the kernel, of one module, or of all BPF programs. */
interface Part {
  readonly name: string
  readonly kind: 'kernel' | 'module' | 'bpf'
  readonly start: number
  readonly end: number
  readonly table: SymbolTable
}

/** Bytes. */
const page = 4096

/** How long to wait before reading kallsyms again if this process may not list BPF programs. */
const patienceMs = 1000

/** Names for addresses of the kernel, from /proc/kallsyms. */
export class KernelSymbols {
  #parts: Part[] | undefined
  /** What was loaded besides the kernel itself when kallsyms was last read. */
  #loaded: Loaded = { key: '', programs: new Set() }
  #frames = new Map<bigint, Frame>()
  #functions: ProgramFunction[] | undefined
  #whyNone: string | undefined

  /** Why there are no names; `undefined` if there are. */
  get problem(): string | undefined {
    this.#parts ??= this.#read()
    return this.#whyNone
  }

  frames(addresses: readonly bigint[]): Frame[] {
    this.#parts ??= this.#read()
    if (this.#whyNone !== undefined) return addresses.map((address) => unknown(address, this.#whyNone!))
    const before = this.#parts
    const [core] = before
    const isOutside = (address: bigint): boolean => {
      const number = addressNumber(address)
      return core === undefined || number < core.start || number >= core.end
    }
    // Modules and programs come and go. Another one may be at the same address by now.
    const outside = addresses.filter(isOutside)
    const now = outside.length > 0 ? loaded() : this.#loaded
    const changed =
      now.key !== this.#loaded.key && !outside.every((address) => this.#isInProgram(address, now.programs))
    if (changed) {
      this.#parts = this.#read()
      this.#frames.clear()
      this.#functions = undefined
    }
    return addresses.map((address) => {
      if (changed && isOutside(address) && this.#isAmbiguous(address, before))
        return unknown(
          address,
          'a module or BPF program was loaded at an address that another one had before',
        )
      let frame = this.#frames.get(address)
      if (frame !== undefined) return frame
      if (this.#frames.size >= 1 << 18) this.#frames.clear()
      frame = this.#frame(address)
      this.#frames.set(address, frame)
      return frame
    })
  }

  #frame(address: bigint): Frame {
    const number = addressNumber(address)
    const { part, found } = find(this.#parts!, number)
    if (part === undefined || found === undefined)
      return unknown(address, 'no function of the kernel is there')
    const { name, kind } = part
    const frame = { address, name: found.name, offset: number - found.start, kind, module: name }
    const source = kind === 'bpf' ? this.#functionAt(number)?.lineAt(frame.offset) : undefined
    return source === undefined ? frame : { ...frame, source }
  }

  #isAmbiguous(address: bigint, before: readonly Part[]): boolean {
    const earlier = find(before, addressNumber(address)).found
    if (earlier === undefined) return false
    // If the earlier function is still there, it did not reach as far as it seemed to.
    const now = find(this.#parts!, earlier.start).found
    return now?.name !== earlier.name || now.start !== earlier.start
  }

  /** The function of a BPF program at an address, if this process may read the program. */
  #functionAt(address: number): ProgramFunction | undefined {
    this.#functions ??= readFunctions(this.#loaded.programs)
    return this.#functions.find(({ start, end }) => address >= start && address < end)
  }

  /** Whether an address has a name already, and is that of a program that is still loaded. Reading kallsyms is slow. */
  #isInProgram(address: bigint, programs: ReadonlySet<number>): boolean {
    if (this.#functions === undefined || !this.#frames.has(address)) return false
    const owner = this.#functionAt(addressNumber(address))
    return owner !== undefined && programs.has(owner.program)
  }

  #read(): Part[] {
    this.#loaded = loaded()
    this.#whyNone = undefined
    let text: string
    try {
      text = readFileSync('/proc/kallsyms', 'latin1')
    } catch (error) {
      this.#whyNone = `/proc/kallsyms cannot be read (${(error as NodeJS.ErrnoException).code})`
      return []
    }
    const parts = partsOf(text, moduleEnds())
    if (parts.length === 0) this.#whyNone = whyHidden(text)
    return parts
  }
}

function find(parts: readonly Part[], address: number): { part?: Part; found?: Found | undefined } {
  for (const part of parts) {
    if (address < part.start || address >= part.end) continue
    const found = part.table.find(address)
    if (found !== undefined) return { part, found }
  }
  return {}
}

/** Reads the format of /proc/kallsyms. The kernel itself comes first. @internal */
export function partsOf(text: string, ends: ReadonlyMap<string, number> = new Map()): Part[] {
  const groups = new Map<string, RawSymbol[]>()
  let textEnd = Number.POSITIVE_INFINITY
  for (const [, high = '', low = '', type = '', name = '', module = ''] of text.matchAll(
    /^([0-9a-f]{8})([0-9a-f]{8}) (\w) (\S+)(?:\t\[(\S+)\])?$/gm,
  )) {
    if (high === '00000000') continue
    const start = (Number.parseInt(high, 16) - 2 ** 32) * 2 ** 32 + Number.parseInt(low, 16)
    if (name === '_etext' && module === '') textEnd = start
    if (!/[tTwW]/.test(type)) continue
    const list = groups.get(module) ?? []
    const isWeak = type === 'w' || type === 'W'
    list.push({ start, size: 0, rank: (isWeak ? 0 : 2) + (type === 'T' ? 1 : 0), text: name, at: 0 })
    groups.set(module, list)
  }
  const parts = [...groups].map(([module, symbols]): Part => {
    const isKernel = module === ''
    // The kernel's startup code lies after the end of its text, and has been freed.
    const own = isKernel ? symbols.filter(({ start }) => start < textEnd) : symbols
    const first = own.reduce((least, { start }) => Math.min(least, start), Number.POSITIVE_INFINITY)
    const last = own.reduce((most, { start }) => Math.max(most, start), Number.NEGATIVE_INFINITY)
    // Code that the kernel generates itself, such as trampolines of ftrace, is in pages of its own, with others between
    // them.
    const isWritten = module.startsWith('__builtin__')
    const rest = isWritten ? page : 65536
    const end = isKernel && textEnd < Number.POSITIVE_INFINITY ? textEnd : (ends.get(module) ?? last + rest)
    return {
      name: isKernel ? '[kernel]' : `[${module}]`,
      kind: isKernel ? 'kernel' : module === 'bpf' ? 'bpf' : 'module',
      start: first,
      end,
      table: isWritten
        ? new SymbolTable(
            own.map((symbol) => ({ ...symbol, size: page })),
            { extend: false, end },
          )
        : new SymbolTable(own, { extend: true, end }),
    }
  })
  return parts.sort((a, b) => Number(b.kind === 'kernel') - Number(a.kind === 'kernel'))
}

/** Where each module ends, from /proc/modules: name, size, uses, users, state, address. */
function moduleEnds(): Map<string, number> {
  const ends = new Map<string, number>()
  for (const line of (read('/proc/modules') ?? '').split('\n')) {
    const [name = '', size, , , , address = ''] = line.split(' ')
    if (!/^0x[0-9a-f]+$/.test(address) || BigInt(address) === 0n) continue
    ends.set(name, addressNumber(BigInt(address)) + Number(size))
  }
  return ends
}

interface Loaded {
  /** Changes when a module or a BPF program is loaded or unloaded. */
  readonly key: string
  /** The ids of all programs, which are never used again. Listing them requires CAP_SYS_ADMIN. */
  readonly programs: ReadonlySet<number>
}

function loaded(): Loaded {
  const modules = (read('/proc/modules') ?? '').replace(/^(\S+) (\d+) .* (0x\w+).*$/gm, '$1 $2 $3')
  try {
    const programs = new Set(listIds('program'))
    return { key: `${modules} ${[...programs].join(' ')}`, programs }
  } catch (error) {
    if (!(error instanceof BpfError)) throw error
    return { key: `${modules} ${Math.floor(performance.now() / patienceMs)}`, programs: new Set() }
  }
}

function whyHidden(text: string): string {
  if (!/^0+ /m.test(text))
    return '/proc/kallsyms lists no functions (the kernel was built without CONFIG_KALLSYMS)'
  const restrict = read('/proc/sys/kernel/kptr_restrict')?.trim()
  const hidden = 'the kernel hides its addresses from this process: /proc/kallsyms has only zeros'
  if (restrict === '2') return `${hidden}, because /proc/sys/kernel/kptr_restrict is 2`
  return `${hidden}; CAP_SYSLOG shows them (/proc/sys/kernel/kptr_restrict is ${restrict ?? 'not readable'})`
}

interface ProgramFunction {
  /** The id of the program. */
  readonly program: number
  readonly start: number
  readonly end: number
  lineAt(offset: number): SourceLine | undefined
}

/** The functions of BPF programs, as far as this process may read them. */
function readFunctions(programs: ReadonlySet<number>): ProgramFunction[] {
  return [...programs].flatMap((program) => {
    let jited: readonly JitedFunction[]
    try {
      jited = jitedFunctionsOf(program)
    } catch (error) {
      // The program has been unloaded meanwhile.
      if (error instanceof BpfError) return []
      throw error
    }
    return jited.map(({ address, bytes, lines }) => {
      const start = addressNumber(address)
      const lineAt = (offset: number) => lines.findLast((line) => line.offset <= offset)?.source
      return { program, start, end: start + bytes.length, lineAt }
    })
  })
}
