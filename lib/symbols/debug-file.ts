// Distributions keep the symbols and lines of a program in a separate file. The program contains the name of that file.
import { dirname } from 'node:path'
import * as zlib from 'node:zlib'
import { viewOf } from '../btf/bytes.js'
import { Elf, fileSource, memorySource, stringAt } from '../machine/elf-file.js'
import { type ElfSymbols, symbolsOf } from './elf-symbols.js'
import { type OpenFile, withFile } from './open-file.js'
import { unxz } from './xz.js'

/** Reads a debug file. Returns `undefined` if what is searched for may be in another one. */
export type ReadDebugFile<T> = (debug: Elf, file: OpenFile, path: string) => T | undefined

/**
 * Searches for the separate debug file of a program or library, by build id and then by `.gnu_debuglink`, in the places
 * where gdb and perf look.
 *
 * @param path - the path of the program in the file system of its process
 * @param roots - where that file system is, such as /proc/17/root, and other places to search
 * @returns what `work` returns for the first file that belongs to the program and has what `work` wants
 */
export function findDebugFile<T>(
  elf: Elf,
  path: string,
  roots: readonly string[],
  work: ReadDebugFile<T>,
): T | undefined {
  const { buildId } = elf
  const link = debugLinkOf(elf)
  for (const root of roots) {
    if (buildId !== undefined && buildId.length > 2) {
      const found = readIf(pathOfBuildId(root, buildId), (debug) => debug.buildId === buildId, work)
      if (found !== undefined) return found
    }
    if (link === undefined) continue
    const folder = dirname(path.replace(/ \(deleted\)$/, ''))
    for (const place of [folder, `${folder}/.debug`, `/usr/lib/debug${folder}`]) {
      const name = `${root}${place}/${link.name}`
      const belongs = (debug: Elf, file: OpenFile): boolean =>
        buildId !== undefined && debug.buildId !== undefined
          ? debug.buildId === buildId
          : checksum(file) === link.checksum
      const found = readIf(name, belongs, work)
      if (found !== undefined) return found
    }
  }
  return undefined
}

/**
 * Searches for the file that several debug files of one package share. Its path and its build id are in
 * `.gnu_debugaltlink`, which dwz writes.
 *
 * @param path - the path of the debug file; the path in it may be relative to this one
 */
export function findSharedFile<T>(
  debug: Elf,
  path: string,
  roots: readonly string[],
  work: ReadDebugFile<T>,
): T | undefined {
  const bytes = smallSection(debug, '.gnu_debugaltlink')
  if (bytes === undefined) return undefined
  const name = stringAt(bytes, 0)
  const buildId = Buffer.from(bytes.subarray(Buffer.byteLength(name) + 1)).toString('hex')
  if (name === '' || buildId === '') return undefined
  const places = roots.map((root) => `${root}${name}`)
  const all = name.startsWith('/') ? places : [`${dirname(path)}/${name}`]
  for (const place of [...all, ...roots.map((root) => pathOfBuildId(root, buildId))]) {
    const found = readIf(place, (shared) => shared.buildId === buildId, work)
    if (found !== undefined) return found
  }
  return undefined
}

/** The symbols in the separate debug file of a program. */
export const debugSymbolsOf = (elf: Elf, path: string, roots: readonly string[]): ElfSymbols | undefined =>
  findDebugFile(elf, path, roots, (debug) => {
    const symbols = symbolsOf(debug)
    return symbols.complete ? symbols : undefined
  })

/**
 * Adds the symbols of `.gnu_debugdata`, as programs of Fedora and its relatives have it: those that are not in
 * `.dynsym`, compressed with xz.
 */
export function withMiniDebugInfo(elf: Elf, own: ElfSymbols): ElfSymbols {
  const section = elf.section('.gnu_debugdata')
  if (section === undefined) return own
  try {
    const more = symbolsOf(new Elf(memorySource(unxz(elf.bytesOf(section)))))
    return more.complete ? { symbols: [...own.symbols, ...more.symbols], complete: true } : own
  } catch (error) {
    // Damaged symbols are as good as none.
    if (error instanceof RangeError) return own
    throw error
  }
}

const pathOfBuildId = (root: string, buildId: string): string =>
  `${root}/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`

function readIf<T>(
  path: string,
  belongs: (debug: Elf, file: OpenFile) => boolean,
  work: ReadDebugFile<T>,
): T | undefined {
  return withFile(path, (file) => {
    try {
      const debug = new Elf(fileSource(file.fd))
      return belongs(debug, file) ? work(debug, file, path) : undefined
    } catch (error) {
      // A damaged debug file is as good as none.
      if (error instanceof RangeError || (error as NodeJS.ErrnoException).syscall !== undefined)
        return undefined
      throw error
    }
  })
}

/** Bytes. Reading a larger file is not worth the time, and a sparse file of any size costs its author nothing. */
const mostChecked = 1 << 30

/** The name in `.gnu_debuglink`, and the CRC-32 that its file must have. */
function debugLinkOf(elf: Elf): { name: string; checksum: number } | undefined {
  const bytes = smallSection(elf, '.gnu_debuglink')
  if (bytes === undefined) return undefined
  const name = stringAt(bytes, 0)
  const at = (Buffer.byteLength(name) + 4) & ~3
  // It is a file name, not a path that could lead anywhere.
  if (name === '' || name.includes('/') || at + 4 > bytes.length) return undefined
  return { name, checksum: viewOf(bytes).getUint32(at, elf.littleEndian) }
}

function smallSection(elf: Elf, name: string): Uint8Array | undefined {
  const section = elf.section(name)
  return section === undefined || section.size > 4096 ? undefined : elf.bytesOf(section)
}

/** `undefined` before Node.js 20.15, which cannot compute it; then only the build id counts. */
function checksum({ fd, stat }: OpenFile): number | undefined {
  if (zlib.crc32 === undefined || stat.size > mostChecked) return undefined
  const source = fileSource(fd)
  let sum = 0
  for (let at = 0; at < stat.size; at += 1 << 20) sum = zlib.crc32(source.read(at, 1 << 20), sum)
  return sum
}
