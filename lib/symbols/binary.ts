import { type ByteSource, Elf, fileSource } from '../machine/elf-file.js'
import { debugSymbolsOf, withMiniDebugInfo } from './debug-file.js'
import { DebugLines, type Reopen } from './debug-lines.js'
import { demangle } from './demangle.js'
import type { Place } from './dwarf/dwarf.js'
import { pltSymbolsOf, symbolsOf } from './elf-symbols.js'
import { goSymbolsOf } from './go.js'
import type { OpenFile } from './open-file.js'
import { type Found, SymbolTable } from './table.js'

/** The symbols of a program, a library, or the vDSO. */
export class Binary {
  readonly buildId: string | undefined
  readonly #elf: Elf
  readonly #symbols: SymbolTable
  readonly #plt: SymbolTable
  readonly #names = new Map<string, string>()
  /** Whether `.symtab` was found, here or in a separate debug file. */
  readonly complete: boolean
  /** `false` if there are none; `undefined` until they are needed for the first time. */
  #lines: DebugLines | false | undefined

  private constructor(elf: Elf, path: string, roots: readonly string[]) {
    this.#elf = elf
    this.buildId = elf.buildId
    const own = symbolsOf(elf)
    const found = own.complete ? own : (debugSymbolsOf(elf, path, roots) ?? withMiniDebugInfo(elf, own))
    const go = found.complete ? undefined : goSymbolsOf(elf)
    this.complete = found.complete || go !== undefined
    this.#symbols = new SymbolTable(go ?? found.symbols, { extend: this.complete })
    this.#plt = new SymbolTable(pltSymbolsOf(elf), { extend: false })
  }

  /**
   * Reads the symbols of an open file.
   *
   * @param path - in the file system of its process
   * @param roots - where to search for debug files
   * @returns `undefined` if it is not an ELF file, or a damaged one
   */
  static open({ fd }: OpenFile, path: string, roots: readonly string[]): Binary | undefined {
    return Binary.#read(fileSource(fd), path, roots)
  }

  /** Reads the symbols of an image that is not in a file: the vDSO. */
  static inMemory(source: ByteSource): Binary | undefined {
    return Binary.#read(source, '', [])
  }

  static #read(source: ByteSource, path: string, roots: readonly string[]): Binary | undefined {
    try {
      return new Binary(new Elf(source), path, roots)
    } catch (error) {
      if (isDamage(error)) return undefined
      throw error
    }
  }

  /** The function at an offset in the file. The function's start is an offset in the file, too. */
  find(offset: number): Found | undefined {
    const address = this.#elf.addressAt(offset)
    if (address === undefined) return undefined
    const found = this.#plt.find(address) ?? this.#symbols.find(address)
    return found && { name: this.#readable(found.name), start: offset - (address - found.start) }
  }

  /**
   * The functions at an offset in the file, with their lines, the innermost first. Empty without debug information.
   *
   * @param path - in the file system of its process
   * @param roots - where to search for debug files
   * @param reopen - opens the file again
   */
  placesAt(offset: number, path: string, roots: readonly string[], reopen: Reopen): Place[] {
    const address = this.#elf.addressAt(offset)
    if (address === undefined || this.#lines === false) return []
    try {
      this.#lines ??= reopen((file) => DebugLines.of(file, path, roots) ?? false)
      const places = (this.#lines || undefined)?.at(address, reopen) ?? []
      return places.map((place) => ({ ...place, name: place.name && this.#readable(place.name) }))
    } catch (error) {
      if (isDamage(error)) return []
      throw error
    }
  }

  #readable(name: string): string {
    let text = this.#names.get(name)
    if (text === undefined) {
      // The linker writes the version of a symbol behind its name: memcpy@@GLIBC_2.14.
      text = demangle(name.replace(/@@?(?!plt$)[\w.]+$/, ''))
      this.#names.set(name, text)
    }
    return text
  }
}

/** The file is damaged, or cannot be read (any more). */
const isDamage = (error: unknown): boolean =>
  error instanceof RangeError || (error as NodeJS.ErrnoException).syscall !== undefined
