import { type ByteSource, Elf, fileSource } from '../machine/elf-file.js'
import { findDebugFile, findSharedFile } from './debug-file.js'
import { Dwarf, type Place } from './dwarf/dwarf.js'
import { DebugSections } from './dwarf/sections.js'
import { identityOf, type OpenFile, withFile } from './open-file.js'

/** Opens a file again, and closes it after `work`. */
export type Reopen = <T>(work: (file: OpenFile) => T) => T | undefined

/**
 * Debug information of a file that is open only while it is being read, because an open file keeps the file system of a
 * container busy. What has been read stays in memory.
 */
class LentDwarf {
  readonly elf: Elf
  readonly #dwarf: Dwarf
  readonly #identity: string
  #source: ByteSource | undefined

  constructor(file: OpenFile) {
    this.#identity = identityOf(file)
    this.#source = fileSource(file.fd)
    const source: ByteSource = {
      read: (offset, length) => {
        if (this.#source === undefined) throw new RangeError('the file is not open')
        return this.#source.read(offset, length)
      },
    }
    this.elf = new Elf(source)
    this.#dwarf = new Dwarf(this.elf)
    this.#source = undefined
  }

  /** Reads from a file; `undefined` if another file has its path by now. */
  with<T>(file: OpenFile, work: (dwarf: Dwarf) => T): T | undefined {
    if (identityOf(file) !== this.#identity) return undefined
    this.#source = fileSource(file.fd)
    try {
      return work(this.#dwarf)
    } finally {
      this.#source = undefined
    }
  }
}

/** The lines of a program or library: from the file itself, or from its separate debug file. */
export class DebugLines {
  readonly #dwarf: LentDwarf
  /** Where the separate debug file is; `undefined` if the program has the lines itself. */
  readonly #path: string | undefined
  readonly #roots: readonly string[]
  /** The file that several debug files share; `false` if there is none. */
  #shared: { readonly dwarf: LentDwarf; readonly path: string } | false | undefined

  private constructor(file: OpenFile, path: string | undefined, roots: readonly string[]) {
    this.#dwarf = new LentDwarf(file)
    this.#path = path
    this.#roots = roots
  }

  /**
   * @param path - in the file system of its process
   * @param roots - where to search for debug files
   * @returns `undefined` if there are no lines
   */
  static of(file: OpenFile, path: string, roots: readonly string[]): DebugLines | undefined {
    const elf = new Elf(fileSource(file.fd))
    if (DebugSections.isIn(elf)) return new DebugLines(file, undefined, roots)
    return findDebugFile(elf, path, roots, (debug, found, place) =>
      DebugSections.isIn(debug) ? new DebugLines(found, place, roots) : undefined,
    )
  }

  /**
   * The functions at an address, the innermost first.
   *
   * @param address - as the file was linked
   * @param reopen - opens the program
   */
  at(address: number, reopen: Reopen): Place[] {
    const read = (file: OpenFile): Place[] | undefined =>
      this.#dwarf.with(file, (dwarf) => dwarf.at(address, (work) => this.#withShared(work)))
    return (this.#path === undefined ? reopen(read) : withFile(this.#path, read)) ?? []
  }

  #withShared<T>(work: (shared: Dwarf) => T): T | undefined {
    this.#shared ??=
      findSharedFile(this.#dwarf.elf, this.#path ?? '', this.#roots, (_, file, path) => ({
        dwarf: new LentDwarf(file),
        path,
      })) ?? false
    if (this.#shared === false) return undefined
    const { dwarf, path } = this.#shared
    return withFile(path, (file) => dwarf.with(file, work))
  }
}
