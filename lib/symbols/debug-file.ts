// Distributions keep the symbols of a program in a separate file. Its name is in the program.

import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import * as zlib from 'node:zlib'
import { viewOf } from '../btf/bytes.js'
import { Elf, fileSource, memorySource, stringAt } from '../machine/elf-file.js'
import { type ElfSymbols, symbolsOf } from './elf-symbols.js'
import { withFile } from './open-file.js'
import { unxz } from './xz.js'

/**
 * The symbols in the separate debug file of a program or library, searched by build id and then by `.gnu_debuglink`,
 * where gdb and perf search.
 *
 * @param path - the path of the program in the file system of its process
 * @param roots - where that file system is, such as /proc/17/root, and where else to search
 */
export function debugSymbolsOf(elf: Elf, path: string, roots: readonly string[]): ElfSymbols | undefined {
  const { buildId } = elf
  const link = debugLinkOf(elf)
  for (const root of roots) {
    if (buildId !== undefined && buildId.length > 2) {
      const name = `${root}/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`
      const found = readIf(name, (debug) => debug.buildId === buildId)
      if (found !== undefined) return found
    }
    if (link === undefined) continue
    const folder = dirname(path.replace(/ \(deleted\)$/, ''))
    for (const place of [folder, `${folder}/.debug`, `/usr/lib/debug${folder}`]) {
      const name = `${root}${place}/${link.name}`
      const found = readIf(name, (debug) =>
        buildId !== undefined && debug.buildId !== undefined
          ? debug.buildId === buildId
          : checksum(name) === link.checksum,
      )
      if (found !== undefined) return found
    }
  }
  return undefined
}

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

function readIf(path: string, belongs: (debug: Elf) => boolean): ElfSymbols | undefined {
  return withFile(path, ({ fd }) => {
    try {
      const debug = new Elf(fileSource(fd))
      if (!belongs(debug)) return undefined
      const symbols = symbolsOf(debug)
      return symbols.complete ? symbols : undefined
    } catch (error) {
      // A damaged debug file is as good as none.
      if (error instanceof RangeError || (error as NodeJS.ErrnoException).syscall !== undefined)
        return undefined
      throw error
    }
  })
}

/** The name in `.gnu_debuglink`, and the CRC-32 that its file must have. */
function debugLinkOf(elf: Elf): { name: string; checksum: number } | undefined {
  const section = elf.section('.gnu_debuglink')
  if (section === undefined || section.size > 4096) return undefined
  const bytes = elf.bytesOf(section)
  const name = stringAt(bytes, 0)
  const at = (name.length + 4) & ~3
  // It is a file name, not a path that could lead anywhere.
  if (name === '' || name.includes('/') || at + 4 > bytes.length) return undefined
  return { name, checksum: viewOf(bytes).getUint32(at, elf.littleEndian) }
}

/** `undefined` before Node.js 20.15, which cannot compute it; then only the build id counts. */
function checksum(path: string): number | undefined {
  return zlib.crc32?.(readFileSync(path))
}
