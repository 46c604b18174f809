// Which functions and USDT probes a program or library has: its symbol tables and notes, read as libbpf reads them.
import { closeSync, openSync } from 'node:fs'
import { viewOf } from '../btf/bytes.js'
import { littleEndian } from './byte-order.js'
import { Elf, fileSource, SHT_DYNSYM, SHT_NOTE, SHT_SYMTAB, stringAt } from './elf-file.js'

export interface BinaryProbes {
  readonly functions: ReadonlySet<string>
  /** The arguments by "provider:name", such as "8@%rdi -4@%esi". */
  readonly usdt: ReadonlyMap<string, string>
}

const STT_FUNC = 2
const STT_GNU_IFUNC = 10
const NT_STAPSDT = 3

/** What can be probed in a file; `undefined` if it cannot be read, or is not a 64-bit ELF file of this byte order. */
export function probesIn(path: string): BinaryProbes | undefined {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    return read(new Elf(fileSource(fd)))
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function read(elf: Elf): BinaryProbes | undefined {
  if (!elf.is64 || elf.littleEndian !== littleEndian || elf.isCut) return undefined
  const functions = new Set<string>()
  const usdt = new Map<string, string>()
  for (const section of elf.sections) {
    if (section.type === SHT_SYMTAB || section.type === SHT_DYNSYM) {
      const strings = elf.sections[section.link]
      if (strings === undefined) return undefined
      addFunctions(functions, elf.bytesOf(section), elf.bytesOf(strings))
    } else if (section.type === SHT_NOTE && section.name === '.note.stapsdt') {
      addProbes(usdt, elf.bytesOf(section))
    }
  }
  return { functions, usdt }
}

/** Symbols without a section are imports: the function is in another file. */
function addFunctions(functions: Set<string>, symbols: Uint8Array, strings: Uint8Array): void {
  const view = viewOf(symbols)
  for (let at = 0; at + 24 <= symbols.length; at += 24) {
    const type = symbols[at + 4]! & 15
    if ((type === STT_FUNC || type === STT_GNU_IFUNC) && view.getUint16(at + 6, littleEndian) !== 0)
      functions.add(stringAt(strings, view.getUint32(at, littleEndian)))
  }
}

/** A note has a header of 12 bytes, its owner's name, and three addresses before the names of the probe. */
function addProbes(usdt: Map<string, string>, notes: Uint8Array): void {
  const view = viewOf(notes)
  const aligned = (size: number) => (size + 3) & ~3
  for (let at = 0; at + 12 <= notes.length; ) {
    const [nameSize, size, type] = [0, 4, 8].map((field) => view.getUint32(at + field, littleEndian))
    const description = at + 12 + aligned(nameSize!)
    // With a damaged size, the loop could go back and never end.
    if (nameSize! > notes.length || size! > notes.length) return
    if (type === NT_STAPSDT) {
      const texts = notes.subarray(description + 24, description + size!)
      const [provider, name, parameters = ''] = Buffer.from(texts).toString('latin1').split('\0')
      usdt.set(`${provider}:${name}`, parameters)
    }
    at = description + aligned(size!)
  }
}
