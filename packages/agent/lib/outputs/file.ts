import { closeSync, fstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import type { FileConfig } from '../config/types.js'
import { type AgentEvent, lineOf, type Output } from './output.js'

/** Lines are collected for this many milliseconds, or until there are this many bytes. */
const flushAfter = 200
const flushBytes = 1 << 16

/**
 * One line with a JSON object for each event, in files that are rotated: `events.jsonl` is the newest one, then come
 * `events.jsonl.1` and so on. Everything that was written survives a crash of the agent, except for the last 0.2 s.
 */
export class FileOutput implements Output {
  readonly #path: string
  readonly #maxBytes: number
  readonly #maxFiles: number
  #fd: number
  #size: number
  readonly #report: (reason: string) => void
  #waiting: string[] = []
  #bytes = 0
  /** Events that could not be written, for example because the disk is full. */
  failed = 0
  #timer: NodeJS.Timeout | undefined

  constructor({ path, max_bytes = 1 << 26, max_files = 5 }: FileConfig, report: (reason: string) => void) {
    this.#report = report
    this.#path = path
    this.#maxBytes = max_bytes
    this.#maxFiles = max_files
    this.#fd = openSync(path, 'a', 0o640)
    this.#size = fstatSync(this.#fd).size
  }

  write(event: AgentEvent): boolean {
    const line = lineOf(event)
    this.#waiting.push(line)
    this.#bytes += line.length
    if (this.#bytes >= flushBytes) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), flushAfter).unref()
    return true
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const count = this.#waiting.length
    const lines = Buffer.from(this.#waiting.join(''))
    this.#waiting = []
    this.#bytes = 0
    if (count === 0) return
    try {
      if (this.#size > 0 && this.#size + lines.length > this.#maxBytes) this.#rotate()
      for (let at = 0; at < lines.length; ) at += writeSync(this.#fd, lines, at)
      this.#size += lines.length
    } catch (error) {
      this.failed += count
      this.#report(`${this.#path}: ${count} events are not written: ${(error as Error).message}`)
    }
  }

  async close(): Promise<void> {
    this.flush()
    closeSync(this.#fd)
  }

  #rotate(): void {
    closeSync(this.#fd)
    const name = (i: number): string => (i === 0 ? this.#path : `${this.#path}.${i}`)
    rmSync(name(this.#maxFiles), { force: true })
    for (let i = this.#maxFiles - 1; i >= 0; i--) {
      try {
        renameSync(name(i), name(i + 1))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
    this.#fd = openSync(this.#path, 'a', 0o640)
    this.#size = 0
  }
}
