import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { memorySource } from '../machine/elf-file.js'
import { addressNumber, type Mapping, mappingsIn, readMaps } from '../machine/mappings.js'
import { read } from '../machine/read.js'
import { Binary } from './binary.js'
import type { Place } from './dwarf/dwarf.js'
import { type Frame, unknown } from './frame.js'
import { isJitDump, JitDump, PerfMap } from './jit.js'
import { type OpenFile, withFile } from './open-file.js'

/** Finds the symbols of an open file, or reads them. */
export type FindBinary = (mapping: Mapping, pid: number) => Binary | undefined

/** What the memory of a process is like at one time. */
interface Snapshot {
  readonly text: string
  /** Executable mappings, sorted by address. */
  readonly mappings: readonly Mapping[]
}

/** Names for addresses of one process, from its start to its end. */
export class ProcessSymbols {
  readonly pid: number
  /** Clock ticks from the start of the machine to the start of the process. */
  readonly startTime: string
  hasEnded = false
  readonly #findBinary: FindBinary
  readonly #perfMap: PerfMap
  readonly #jitDump = new JitDump()
  readonly #binaries = new Map<string, Binary | undefined>()
  #snapshot: Snapshot
  #frames = new Map<bigint, Frame>()
  /** The same with lines. */
  #detailed = new Map<bigint, Frame>()
  /** What was mapped before the last change, where something else is mapped now. */
  #replaced: readonly Mapping[] = []

  private constructor(pid: number, startTime: string, snapshot: Snapshot, findBinary: FindBinary) {
    this.pid = pid
    this.startTime = startTime
    this.#snapshot = snapshot
    this.#findBinary = findBinary
    this.#perfMap = new PerfMap(pid, statSync(`/proc/${pid}`, { bigint: true }).uid)
    this.#updateJit()
  }

  /** @throws Error of the system call if the process does not exist, or its memory map cannot be read */
  static open(pid: number, findBinary: FindBinary): ProcessSymbols {
    for (;;) {
      const before = startTimeOf(pid)
      const text = readMaps(pid)
      // The id may have gone to another process meanwhile.
      if (before !== undefined && startTimeOf(pid) === before) {
        return new ProcessSymbols(pid, before, snapshotOf(text), findBinary)
      }
      if (before === undefined) {
        throw Object.assign(new Error(`process ${pid} has ended`), { code: 'ESRCH', syscall: 'read' })
      }
    }
  }

  /**
   * Compares with what is mapped now.
   *
   * @returns whether the process still runs; if not, what was known of it stays
   */
  update(): boolean {
    let text: string
    try {
      text = readMaps(this.pid)
    } catch {
      return false
    }
    if (startTimeOf(this.pid) !== this.startTime) return false
    // The memory map of a process that is ending is empty.
    if (text === '') return false
    this.#replaced = []
    if (text !== this.#snapshot.text) this.#take(snapshotOf(text))
    if (this.#updateJit()) this.#forgetJit()
    return true
  }

  #take(snapshot: Snapshot): void {
    const known = new Set(snapshot.mappings.map(keyOf))
    this.#replaced = this.#snapshot.mappings.filter(
      (old) =>
        !known.has(keyOf(old)) && snapshot.mappings.some((now) => overlaps(old, now) && !continues(old, now)),
    )
    const isSame = snapshot.mappings.length === this.#snapshot.mappings.length && this.#replaced.length === 0
    if (!isSame || this.#snapshot.mappings.some((old) => !known.has(keyOf(old)))) {
      this.#frames.clear()
      this.#detailed.clear()
    }
    this.#snapshot = snapshot
  }

  /** Whether there are names of generated code that have not been read yet. */
  get isBehind(): boolean {
    return this.#perfMap.isBehind
  }

  /** Reads the names of code that was generated since then. @returns whether there was any */
  #updateJit(): boolean {
    const inMap = this.#perfMap.update()
    const dump = this.#snapshot.mappings.find(isJitDump)
    const inDump = dump && withMappedFile(dump, this.pid, (file) => this.#jitDump.update(file))
    return inMap || inDump === true
  }

  #forgetJit(): void {
    for (const frames of [this.#frames, this.#detailed]) {
      for (const [address, { kind }] of frames) {
        if (kind === 'jit' || kind === 'unknown') frames.delete(address)
      }
    }
  }

  /** @param lines - whether to read lines and inlined functions, if the debug information is there */
  frame(address: bigint, lines: boolean): Frame {
    const frames = lines ? this.#detailed : this.#frames
    const known = frames.get(address)
    if (known !== undefined && this.#replaced.length === 0) return known
    const number = addressNumber(address)
    if (this.#replaced.some(({ start, end }) => number >= start && number < end))
      return unknown(address, 'the process has since mapped something else there')
    if (known !== undefined) return known
    if (frames.size >= 1 << 18) frames.clear()
    const frame = this.#find(address, number, lines)
    // At the next update, it is clear what is there.
    if (frame.why !== replacedCode && frame.why !== unreadMap) frames.set(address, frame)
    return frame
  }

  /** The function at an offset in the file with a build id. */
  frameInFile(buildId: string, place: bigint, lines: boolean): Frame {
    for (const mapping of this.#snapshot.mappings) {
      const binary = this.#binaryOf(mapping)
      // The kernel fills up short build ids with zeros.
      if (binary?.buildId === undefined || binary.buildId.padEnd(40, '0') !== buildId) continue
      const frame = this.#frameOf(binary, mapping, place, Number(place), lines)
      return frame ?? unknown(place, this.#whyUnknown(mapping, binary), moduleOf(mapping))
    }
    return unknown(place, `the process has mapped no file with the build id ${buildId}`)
  }

  #find(address: bigint, number: number, lines: boolean): Frame {
    const mapping = this.#mappingAt(number)
    if (mapping === undefined) return unknown(address, 'the process has no code there')
    const binary = this.#binaryOf(mapping)
    const place = number - mapping.start + mapping.offset
    const found = binary && this.#frameOf(binary, mapping, address, place, lines)
    if (found !== undefined) return found
    const isFile = mapping.path.startsWith('/') && binary !== undefined
    if (!isFile) {
      const jitted = this.#jitDump.find(number) ?? this.#perfMap.find(number)
      if (jitted === 'replaced') return unknown(address, replacedCode, '[jit]')
      if (jitted === 'unread') return unknown(address, unreadMap, '[jit]')
      if (jitted !== undefined) {
        return { address, name: jitted.name, offset: number - jitted.start, kind: 'jit', module: '[jit]' }
      }
    }
    return unknown(address, this.#whyUnknown(mapping, binary), moduleOf(mapping))
  }

  /** The function at an offset in a file; `undefined` if no symbol is there. */
  #frameOf(
    binary: Binary,
    mapping: Mapping,
    address: bigint,
    place: number,
    lines: boolean,
  ): Frame | undefined {
    const found = binary.find(place)
    if (found === undefined) return undefined
    const { path: module } = mapping
    const frame: Frame = { address, name: found.name, offset: place - found.start, kind: 'file', module }
    if (!lines) return frame
    const reopen = <T>(work: (file: OpenFile) => T): T | undefined => withMappedFile(mapping, this.pid, work)
    return withPlaces(frame, binary.placesAt(place, module, rootsOf(this.pid), reopen))
  }

  #whyUnknown({ path, inode }: Mapping, binary: Binary | undefined): string {
    if (binary !== undefined) {
      return binary.complete
        ? 'no function of the file is there'
        : 'the file has no symbol table (it was stripped), and there is no separate debug file'
    }
    if (inode !== 0n && !path.startsWith('/memfd:')) return `${path} cannot be read, or is not an ELF file`
    return this.#perfMap.exists
      ? 'the code was generated at run time, and the perf map of the process does not list it'
      : `the code was generated at run time; it has names if the process writes /tmp/perf-${this.pid}.map (node --perf-basic-prof)`
  }

  #mappingAt(address: number): Mapping | undefined {
    const { mappings } = this.#snapshot
    let [low, high] = [0, mappings.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (mappings[middle]!.start <= address) low = middle + 1
      else high = middle
    }
    const mapping = mappings[low - 1]
    return mapping !== undefined && address < mapping.end ? mapping : undefined
  }

  #binaryOf(mapping: Mapping): Binary | undefined {
    const { device, inode, path } = mapping
    const key = `${device} ${inode} ${path}`
    if (!this.#binaries.has(key)) {
      this.#binaries.set(
        key,
        path === '[vdso]' ? readVdso(this.pid, mapping) : this.#findBinary(mapping, this.pid),
      )
    }
    return this.#binaries.get(key)
  }
}

const unreadMap = 'the perf map of the process is large and has not been read completely yet'
const replacedCode = 'other generated code has since taken its place'

/** Where files and debug files of a process are: in its own file system, and in ours. */
export const rootsOf = (pid: number): string[] => [`/proc/${pid}/root`, '']

/** Adds lines to a frame, and the functions that were inlined there. */
function withPlaces(frame: Frame, places: readonly Place[]): Frame {
  const sourceOf = ({ file, line }: Place): Pick<Frame, 'source'> =>
    file === '' || line === 0 ? {} : { source: { file, line } }
  const own = places.at(-1)
  if (own === undefined) return frame
  const inlined = places.slice(0, -1).map((place): Frame => {
    const { name } = place
    const why = name === undefined && { why: 'the debug information has no name for the inlined function' }
    return { ...frame, name, offset: 0, ...sourceOf(place), ...why, isInlined: true }
  })
  return { ...frame, ...sourceOf(own), ...(inlined.length > 0 && { inlined }) }
}

const moduleOf = ({ path }: Mapping): string => (path === '' ? '[anonymous]' : path)

const keyOf = ({ start, end, offset, device, inode, path }: Mapping): string =>
  `${start} ${end} ${offset} ${device} ${inode} ${path}`

const overlaps = (a: Mapping, b: Mapping): boolean => a.start < b.end && b.start < a.end

/** Whether the same part of the same file is still at the same address, and only the size changed. */
const continues = (a: Mapping, b: Mapping): boolean =>
  a.device === b.device &&
  a.inode === b.inode &&
  withoutDeleted(a.path) === withoutDeleted(b.path) &&
  a.start - a.offset === b.start - b.offset

const withoutDeleted = (path: string): string => path.replace(/ \(deleted\)$/, '')

function snapshotOf(text: string): Snapshot {
  // The kernel lists them in order, but [vsyscall] has an address of the kernel's half, which is negative here.
  const mappings = mappingsIn(text)
    .filter(({ executable }) => executable)
    .sort((a, b) => a.start - b.start)
  return { text, mappings }
}

/** The 22nd field of /proc/PID/stat; `undefined` if there is no such process. */
export function startTimeOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`)
  // The name of the program, in parentheses, may contain anything.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

/**
 * The vDSO is not in a file. All processes of one kind have the same one, so ours serves if that of another is not
 * readable.
 */
function readVdso(pid: number, { start, end }: Mapping): Binary | undefined {
  const own = (): Binary | undefined => {
    const ours = mappingsIn(readMaps(process.pid)).find(({ path }) => path === '[vdso]')
    return ours && readImage('self', ours.start, ours.end)
  }
  return readImage(pid, start, end) ?? own()
}

function readImage(pid: number | 'self', start: number, end: number): Binary | undefined {
  let fd: number
  try {
    fd = openSync(`/proc/${pid}/mem`, 'r')
  } catch {
    return undefined
  }
  try {
    const bytes = Buffer.alloc(Math.min(end - start, 1 << 20))
    readSync(fd, bytes, 0, bytes.length, start)
    return Binary.inMemory(memorySource(bytes))
  } catch {
    // The process has ended.
    return undefined
  } finally {
    closeSync(fd)
  }
}

/** Opens exactly the file that a process has mapped, although another one may have its path by now. */
export function withMappedFile<T>(
  { range, path, inode }: Mapping,
  pid: number,
  work: (file: OpenFile) => T,
): T | undefined {
  let isOpen = false
  const found = withFile(`/proc/${pid}/map_files/${range}`, (file) => {
    isOpen = true
    return work(file)
  })
  // Without CAP_CHECKPOINT_RESTORE, or after the process has ended, only a path leads to the file.
  if (isOpen || !path.startsWith('/')) return found
  for (const candidate of [`/proc/${pid}/root${path}`, `/proc/${pid}/exe`, path]) {
    const same = withFile(candidate, (file) => {
      if (file.stat.ino !== inode) return undefined
      isOpen = true
      return work(file)
    })
    if (isOpen) return same
  }
  return undefined
}
