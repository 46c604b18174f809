// Names of machine code that was generated at run time: /tmp/perf-PID.map and jit-PID.dump, which Node.js, Java and
// .NET write if told to.
import { readSync } from 'node:fs'
import { stringAt } from '../machine/elf-file.js'
import type { Mapping } from '../machine/mappings.js'
import { read } from '../machine/read.js'
import { type OpenFile, withFile } from './open-file.js'
import type { Found } from './table.js'

interface Piece {
  readonly start: number
  readonly end: number
  readonly name: string
  /** Later entries replace earlier ones: code is freed, and other code takes its place. */
  readonly order: number
}

/** No sensible map is larger, and a runaway one must not fill the memory. */
const mostBytes = 256 * 1024 * 1024
/** How much of a map is read at once, which takes about a quarter of a second. */
const atOnce = 16 * 1024 * 1024
const mostPieces = 4_000_000

/** A name contains the path of its file. */
const longestLine = 1 << 20

/** Generated code by address, in the order in which it was made. */
class Code {
  #pieces: Piece[] = []
  #longest = 0
  #isSorted = true
  /** How many pieces there were before the last update. */
  #before = 0

  /** What is added from now on is new. */
  beginUpdate(): void {
    this.#before = this.#pieces.length
  }

  clear(): void {
    this.#pieces = []
    this.#longest = 0
    this.#before = 0
  }

  add(start: number, size: number, name: string): void {
    if (!Number.isSafeInteger(start + size) || size <= 0 || this.#pieces.length >= mostPieces) return
    this.#pieces.push({ start, end: start + size, name, order: this.#pieces.length })
    this.#longest = Math.max(this.#longest, size)
    this.#isSorted = false
  }

  /** @returns 'replaced' if other code has taken the place of the code that was there before the last update */
  find(address: number): Found | 'replaced' | undefined {
    if (!this.#isSorted) {
      this.#pieces.sort((a, b) => a.start - b.start || a.order - b.order)
      this.#isSorted = true
    }
    const pieces = this.#pieces
    let [low, high] = [0, pieces.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (pieces[middle]!.start <= address) low = middle + 1
      else high = middle
    }
    let latest: Piece | undefined
    let earlier: Piece | undefined
    for (let i = low - 1; i >= 0 && pieces[i]!.start > address - this.#longest; i--) {
      const piece = pieces[i]!
      if (address >= piece.end) continue
      if (latest === undefined || piece.order > latest.order) latest = piece
      if (piece.order < this.#before && (earlier === undefined || piece.order > earlier.order))
        earlier = piece
    }
    if (earlier !== undefined && earlier.name !== latest!.name) return 'replaced'
    return latest && { name: latest.name, start: latest.start }
  }
}

/** The perf map of a process. It grows while the process runs, and only what is new is read. */
export class PerfMap {
  readonly #path: string
  readonly #owner: bigint
  readonly #code = new Code()
  #identity = ''
  #read = 0
  #rest = ''
  /** Whether there is more to read. */
  isBehind = false

  /** @param owner - the user of the process; a file of another user is not trusted, unless root owns it */
  constructor(pid: number, owner: bigint) {
    const ids = /^NSpid:\t(.*)$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1]?.split('\t') ?? []
    // The process names the file by its own id, in its own file system.
    this.#path = `/proc/${pid}/root/tmp/perf-${ids.at(-1) ?? pid}.map`
    this.#owner = owner
  }

  /** Whether there is such a file. */
  get exists(): boolean {
    return this.#identity !== ''
  }

  /** Reads what was added, or a part of it. @returns whether there was anything */
  update(): boolean {
    // While there is more to read, no names are given. "Before" then still means before the last name was given.
    if (!this.isBehind) this.#code.beginUpdate()
    this.isBehind = false
    return withFile(this.#path, (file) => this.#append(file)) ?? false
  }

  #append({ fd, stat }: OpenFile): boolean {
    if (stat.uid !== this.#owner && stat.uid !== 0n) return false
    const identity = `${stat.dev}:${stat.ino}`
    const size = Math.min(Number(stat.size), mostBytes)
    if (identity !== this.#identity || size < this.#read) {
      this.#identity = identity
      this.#code.clear()
      this.#read = 0
      this.#rest = ''
    } else if (size === this.#read) return false
    const bytes = Buffer.allocUnsafe(1 << 20)
    const until = Math.min(size, this.#read + atOnce)
    this.isBehind = until < size
    while (this.#read < until) {
      const count = readSync(fd, bytes, 0, Math.min(bytes.length, until - this.#read), this.#read)
      if (count === 0) break
      this.#read += count
      this.#parse(bytes.toString('latin1', 0, count))
    }
    return true
  }

  /** Lines are `START SIZE NAME` with hexadecimal numbers. The last one may not be complete yet. */
  #parse(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n')
    const rest = lines.pop() ?? ''
    // Without the limit, a line that never ends would grow with each piece.
    this.#rest = rest.length > longestLine ? '' : rest
    for (const line of lines) {
      const first = line.indexOf(' ')
      const second = line.indexOf(' ', first + 1)
      const [start, size] = [hexadecimal(line.slice(0, first)), hexadecimal(line.slice(first + 1, second))]
      const name = line.slice(second + 1)
      if (first < 0 || second < 0 || name === '') continue
      const isAscii = !/[\x80-\xff]/.test(name)
      this.#code.add(start, size, isAscii ? name : Buffer.from(name, 'latin1').toString('utf8'))
    }
  }

  find(address: number): Found | 'replaced' | 'unread' | undefined {
    return this.isBehind ? 'unread' : this.#code.find(address)
  }
}

/** The number that is written, with or without 0x; NaN if it is none. */
const hexadecimal = (text: string): number =>
  /^(?:0x)?[0-9a-f]+$/i.test(text) ? Number.parseInt(text, 16) : Number.NaN

/** Whether a mapping is that of a jitdump. The process maps its first page, so that others find the file. */
export const isJitDump = ({ path }: Mapping): boolean => /\/jit-\d+\.dump( \(deleted\))?$/.test(path)

const [codeLoad, codeMove] = [0, 1]
/** Bytes of a record. */
const interesting = 4096

/** The code that a jitdump lists. perf describes the format in tools/perf/Documentation/jitdump-specification.txt. */
export class JitDump {
  readonly #code = new Code()
  readonly #names = new Map<number, string>()
  #read = 0
  #records = 0
  #isDamaged = false

  /** Reads what was added. @returns whether there was anything */
  update({ fd, stat }: OpenFile): boolean {
    this.#code.beginUpdate()
    const size = Number(stat.size)
    const before = this.#read
    const window = Buffer.allocUnsafe(1 << 18)
    let [from, to] = [0, 0]
    while (!this.#isDamaged && this.#read < size) {
      // What is of interest is at the beginning of a record. The machine code follows.
      if (this.#read + interesting > to) {
        from = this.#read
        to = from + readSync(fd, window, 0, window.length, from)
      }
      const bytes = window.subarray(this.#read - from, Math.min(this.#read + interesting, to) - from)
      if (this.#read === 0) this.#readHead(bytes)
      else if (!this.#readRecord(bytes, size)) break
    }
    return this.#read > before
  }

  #readHead(bytes: Buffer): void {
    // Another byte order would be that of another machine.
    if (bytes.length < 40 || bytes.readUInt32LE(0) !== 0x4a69_5444) this.#isDamaged = true
    else this.#read = bytes.readUInt32LE(8)
    if (this.#read < 40) this.#isDamaged = true
  }

  /** @returns whether the record is complete */
  #readRecord(bytes: Buffer, size: number): boolean {
    if (bytes.length < 16) return false
    const length = bytes.readUInt32LE(4)
    if (length < 16) {
      this.#isDamaged = true
      return false
    }
    if (this.#read + length > size) return false
    if (++this.#records > mostPieces) this.#isDamaged = true
    const id = bytes.readUInt32LE(0)
    const number = (at: number): number => Number(bytes.readBigUInt64LE(at))
    // 16: process, thread, address in memory, address of the code, size of the code, index, name
    if (id === codeLoad && bytes.length >= 57) {
      const name = stringAt(bytes, 56)
      this.#names.set(number(48), name)
      this.#code.add(number(32), number(40), name)
    }
    // 16: process, thread, address in memory, old address, new address, size, index
    if (id === codeMove && bytes.length >= 64) {
      const name = this.#names.get(number(56))
      if (name !== undefined) this.#code.add(number(40), number(48), name)
    }
    this.#read += length
    return true
  }

  find(address: number): Found | 'replaced' | undefined {
    return this.#code.find(address)
  }
}
