import { setImmediate as turn } from 'node:timers/promises'
import type { Mapping } from '../machine/mappings.js'
import { read } from '../machine/read.js'
import { Binary } from './binary.js'
import { type Frame, unknown } from './frame.js'
import { KernelSymbols } from './kernel.js'
import { identityOf } from './open-file.js'
import { ProcessSymbols, rootsOf, startTimeOf, withMappedFile } from './process.js'

const sweepMs = 10_000

/** An element of a stack that was recorded with `BPF_F_USER_BUILD_ID`: `struct bpf_stack_build_id`. */
export interface BuildIdFrame {
  /** 0: empty, 1: `build_id` and `offset` are valid, 2: `ip` is an address. */
  readonly status: number
  readonly build_id: Uint8Array | readonly number[]
  /** A place in the file, if the status is 1. */
  readonly offset?: bigint
  /** An address, if the status is 2. */
  readonly ip?: bigint
}

/** An option of all methods of {@link Symbols}: whether the addresses are a stack. */
export interface FrameOptions {
  /**
   * Treats the addresses as a stack, the innermost first. All but the first are return addresses, which can belong to
   * the function after the caller, so the byte before the address is looked up, which is part of the call.
   */
  stack?: boolean
}

/** Whether to find lines, for {@link Symbols.user} and {@link Symbols.buildIds}. */
export interface LineOptions {
  /**
   * Adds the source line and the inlined functions, if the program was compiled with `-g` or its debug file is found
   * (DWARF 2 to 5). The first address in a compilation unit takes longer, because that unit is read.
   */
  lines?: boolean
}

/** Options for {@link Symbols.buildIds}. */
export interface BuildIdOptions extends FrameOptions, LineOptions {}

/** Options for {@link Symbols.user}. */
export interface UserOptions extends FrameOptions, LineOptions {
  /**
   * When the process started, in nanoseconds since the machine was booted: `task->group_leader->start_boottime`. If the
   * id now belongs to another process, the names of that process are not used.
   */
  startTime?: bigint
}

/**
 * Finds names for addresses of the kernel and of processes. What has been read stays in memory until the process ends,
 * or until you no longer use this object.
 *
 * A process may map another file at an address that you have recorded. Call {@link Symbols.user} before you begin to
 * record, and at intervals after that. If something else has been mapped at an address since the previous call, the
 * frame has no name in this one call, because the address could be from before or after the change.
 *
 * @example
 * const symbols = new Symbols()
 * for (const { name, offset } of symbols.user(pid, addresses)) console.log(`${name}+${offset}`)
 */
export class Symbols {
  readonly #kernel = new KernelSymbols()
  readonly #processes = new Map<number, ProcessSymbols>()
  /** By file and version. A file that no process uses any more is forgotten. */
  readonly #binaries = new Map<string, WeakRef<Binary>>()
  #swept = performance.now()

  /**
   * Why kernel addresses get no names: the kernel hides its addresses from this process, or /proc is not mounted.
   * `undefined` if they get names.
   */
  get kernelProblem(): string | undefined {
    return this.#kernel.problem
  }

  /**
   * Names addresses of the kernel, of modules and of BPF programs. (/proc/kallsyms; requires CAP_SYSLOG, depending on
   * /proc/sys/kernel/kptr_restrict. Lines of BPF programs require CAP_SYS_ADMIN.)
   */
  kernel(addresses: readonly bigint[], options: FrameOptions = {}): Frame[] {
    return this.#kernel.frames(placesOf(addresses, options))
  }

  /**
   * Names addresses of a process: functions of its program and libraries, even in containers, chroots, memfds and
   * deleted files; of the vDSO; and of code that was generated at run time, if the process writes a perf map. Debug
   * files are found by build id and `.gnu_debuglink`.
   *
   * Each call compares the process's mappings with those at the previous call, so pass many addresses at once. After
   * the process has ended, what is already known about it is still used.
   *
   * @param pid - the id of the process, as this process sees it
   * @param addresses - as `bpf_get_stack` and `bpf_get_stackid` record them
   * @returns a frame for each address. If the process cannot be read, the frame has no name, and says why: reading a
   * process requires being its user or CAP_SYS_PTRACE, and opening files that no longer have a name requires
   * CAP_CHECKPOINT_RESTORE.
   */
  user(pid: number, addresses: readonly bigint[], options: UserOptions = {}): Frame[] {
    const { startTime, lines = false } = options
    if (!Number.isInteger(pid) || pid <= 0) throw new TypeError(`pid is not a process id: ${pid}`)
    const process = this.#process(pid)
    const places = placesOf(addresses, options)
    if (typeof process === 'string') return places.map((address) => unknown(address, process))
    if (startTime !== undefined && ticksOf(startTime) !== process.startTime)
      return places.map((address) => unknown(address, 'another process has this id now'))
    return places.map((address) => process.frame(address, lines))
  }

  /**
   * Names the frames of a stack that was recorded with `BPF_F_USER_BUILD_ID`. Files are found by their build id among
   * those that the process `pid` has mapped, so a replaced file never gives a wrong name.
   */
  buildIds(
    pid: number,
    frames: readonly BuildIdFrame[],
    { stack = false, lines = false }: BuildIdOptions = {},
  ): Frame[] {
    const valid = frames.filter(({ status }) => status !== 0)
    const process = this.#process(pid)
    return valid.map((frame, i) => {
      const before = stack && i > 0 ? 1n : 0n
      if (frame.status === 2) {
        const address = (frame.ip ?? 0n) - before
        return typeof process === 'string' ? unknown(address, process) : process.frame(address, lines)
      }
      const place = (frame.offset ?? 0n) - before
      if (typeof process === 'string') return unknown(place, process)
      return process.frameInFile(Buffer.from(frame.build_id).toString('hex'), place, lines)
    })
  }

  /**
   * Reads everything about a process before its addresses arrive. A large perf map is read in parts, and the event loop
   * runs in between.
   *
   * @internal
   */
  async prepare(pid: number): Promise<void> {
    do {
      this.user(pid, [])
      await turn()
    } while (this.#processes.get(pid)?.isBehind === true)
  }

  /** Forgets what was read about a process. This happens automatically when another process gets the id. */
  forget(pid: number): void {
    this.#processes.delete(pid)
  }

  #process(pid: number): ProcessSymbols | string {
    const known = this.#processes.get(pid)
    if (known?.update()) return known
    try {
      const fresh = ProcessSymbols.open(pid, (mapping, id) => this.#binary(mapping, id))
      if (fresh.startTime === known?.startTime) return known
      this.#processes.set(pid, fresh)
      this.#sweep()
      return fresh
    } catch (error) {
      // What was known before the process ended is still correct.
      if (known !== undefined) return known
      return whyUnreadable(pid, error as NodeJS.ErrnoException)
    }
  }

  /** Forgets processes that ended a while ago. The last addresses of one that has just ended may still come. */
  #sweep(): void {
    const now = performance.now()
    if (now - this.#swept < sweepMs) return
    this.#swept = now
    for (const [pid, process] of this.#processes) {
      if (process.hasEnded) this.#processes.delete(pid)
      else if (startTimeOf(pid) !== process.startTime) process.hasEnded = true
    }
  }

  #binary(mapping: Mapping, pid: number): Binary | undefined {
    return withMappedFile(mapping, pid, (file) => {
      const key = identityOf(file)
      const known = this.#binaries.get(key)?.deref()
      if (known !== undefined) return known
      const binary = Binary.open(file, mapping.path, rootsOf(pid))
      if (binary === undefined) return undefined
      for (const [name, reference] of this.#binaries) {
        if (reference.deref() === undefined) this.#binaries.delete(name)
      }
      this.#binaries.set(key, new WeakRef(binary))
      return binary
    })
  }
}

const placesOf = (addresses: readonly bigint[], { stack = false }: FrameOptions): readonly bigint[] =>
  stack ? addresses.map((address, i) => (i === 0 || address === 0n ? address : address - 1n)) : addresses

function whyUnreadable(pid: number, { code, syscall, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT' || code === 'ESRCH') return `process ${pid} has ended`
  if (code === 'EACCES' || code === 'EPERM')
    return `the memory map of process ${pid} cannot be read, which requires the user of the process or CAP_SYS_PTRACE`
  if (syscall === undefined) throw new Error(message)
  return `the memory map of process ${pid} cannot be read (${code})`
}

/** Converts nanoseconds into the unit of /proc/PID/stat, whose numbers are those of this process's time namespace. */
function ticksOf(startTime: bigint): string {
  const [, seconds = '0', nanoseconds = '0'] =
    /^boottime\s+(-?\d+)\s+(-?\d+)$/m.exec(read('/proc/self/timens_offsets') ?? '') ?? []
  return String((startTime + BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)) / 10_000_000n)
}
