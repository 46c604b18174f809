// Names of machine code that was made at run time: /tmp/perf-PID.map, which Node.js, Java and .NET write if told to.
import { readSync } from 'node:fs'
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

/** Nobody's map is larger, and a runaway one must not fill the memory. */
const mostBytes = 256 * 1024 * 1024

/** The perf map of a process. It grows while the process runs, and only what is new is read. */
export class PerfMap {
  readonly #paths: readonly string[]
  readonly #owner: bigint
  #identity = ''
  #read = 0
  #rest = ''
  #pieces: Piece[] = []
  #longest = 0
  #isSorted = true
  /** How many entries there were before the last update. */
  #before = 0

  /** @param owner - the user of the process; a file of somebody else is not believed */
  constructor(pid: number, owner: bigint) {
    const [inner = String(pid)] = (/^NSpid:\t(.*)$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1] ?? '')
      .split('\t')
      .slice(-1)
    // The process names the file by its own id, in its own file system.
    this.#paths = [`/proc/${pid}/root/tmp/perf-${inner || pid}.map`]
    this.#owner = owner
  }

  /** Whether there is such a file. */
  get exists(): boolean {
    return this.#identity !== ''
  }

  /** Reads what was added. @returns whether there was anything */
  update(): boolean {
    this.#before = this.#pieces.length
    for (const path of this.#paths) {
      const changed = withFile(path, (file) => this.#append(file))
      if (changed !== undefined) return changed
    }
    return false
  }

  #append({ fd, stat }: OpenFile): boolean | undefined {
    if (stat.uid !== this.#owner && stat.uid !== 0n) return undefined
    const identity = `${stat.dev}:${stat.ino}`
    const size = Math.min(Number(stat.size), mostBytes)
    if (identity !== this.#identity || size < this.#read) {
      this.#identity = identity
      this.#pieces = []
      this.#before = 0
      this.#read = 0
      this.#rest = ''
      this.#longest = 0
    } else if (size === this.#read) return false
    const bytes = Buffer.allocUnsafe(1 << 20)
    while (this.#read < size) {
      const count = readSync(fd, bytes, 0, Math.min(bytes.length, size - this.#read), this.#read)
      if (count === 0) break
      this.#read += count
      this.#parse(bytes.toString('latin1', 0, count))
    }
    return true
  }

  /** Lines are `START SIZE NAME` with hexadecimal numbers. The last one may not be complete yet. */
  #parse(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      const [, start = '', size = '', name = ''] =
        /^(?:0x)?([0-9a-f]+) (?:0x)?([0-9a-f]+) (.+)$/i.exec(line) ?? []
      if (name === '') continue
      const begin = Number.parseInt(start, 16)
      const length = Number.parseInt(size, 16)
      if (!Number.isSafeInteger(begin + length) || length === 0) continue
      const readable = Buffer.from(name, 'latin1').toString('utf8')
      this.#pieces.push({ start: begin, end: begin + length, name: readable, order: this.#pieces.length })
      this.#longest = Math.max(this.#longest, length)
      this.#isSorted = false
    }
  }

  /** @returns 'replaced' if other code has taken the place of the code that was there at the last update but one */
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
