// Which functions and USDT probes a program or library has: its symbol tables and notes, read as libbpf reads them.
import { closeSync, openSync, readSync } from 'node:fs'
import { littleEndian } from '../machine/byte-order.js'

export interface BinaryProbes {
  readonly functions: ReadonlySet<string>
  /** The arguments by "provider:name", such as "8@%rdi -4@%esi". */
  readonly usdt: ReadonlyMap<string, string>
}

interface Section {
  name: string
  type: number
  offset: number
  size: number
  link: number
}

const SHT_SYMTAB = 2
const SHT_NOTE = 7
const SHT_DYNSYM = 11
const STT_FUNC = 2
const STT_GNU_IFUNC = 10
const NT_STAPSDT = 3

/** What can be probed in a file; `undefined` if it cannot be read, or is not a 64-bit ELF file of this byte order. */
export function probesIn(path: string): BinaryProbes | undefined {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    return read(fd)
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function read(fd: number): BinaryProbes | undefined {
  const header = bytesAt(fd, 0, 64)
  const isOurs =
    header.readUInt32BE(0) === 0x7f454c46 && header[4] === 2 && header[5] === (littleEndian ? 1 : 2)
  if (!isOurs) return undefined
  const functions = new Set<string>()
  const usdt = new Map<string, string>()
  const sections = sectionsOf(fd, header)
  for (const { name, type, offset, size, link } of sections) {
    if (type === SHT_SYMTAB || type === SHT_DYNSYM) {
      const strings = sections[link]
      if (strings === undefined) return undefined
      addFunctions(functions, bytesAt(fd, offset, size), bytesAt(fd, strings.offset, strings.size))
    } else if (type === SHT_NOTE && name === '.note.stapsdt') {
      addProbes(usdt, bytesAt(fd, offset, size))
    }
  }
  return { functions, usdt }
}

function sectionsOf(fd: number, header: Buffer): Section[] {
  const [size, count, names] = [58, 60, 62].map((at) => u16(header, at))
  const table = bytesAt(fd, u64(header, 40), size! * count!)
  const sections = Array.from({ length: count! }, (_, i) => {
    const at = table.subarray(i * size!, (i + 1) * size!)
    return { nameAt: u32(at, 0), type: u32(at, 4), offset: u64(at, 24), size: u64(at, 32), link: u32(at, 40) }
  })
  const named = sections[names!]
  const strings = named === undefined ? Buffer.alloc(0) : bytesAt(fd, named.offset, named.size)
  return sections.map(({ nameAt, ...rest }) => ({ ...rest, name: stringAt(strings, nameAt) }))
}

/** Symbols without a section are imports: the function is in another file. */
function addFunctions(functions: Set<string>, symbols: Buffer, strings: Buffer): void {
  for (let at = 0; at + 24 <= symbols.length; at += 24) {
    const type = symbols[at + 4]! & 15
    if ((type === STT_FUNC || type === STT_GNU_IFUNC) && u16(symbols, at + 6) !== 0)
      functions.add(stringAt(strings, u32(symbols, at)))
  }
}

/** A note has a header of 12 bytes, its owner's name, and three addresses before the names of the probe. */
function addProbes(usdt: Map<string, string>, notes: Buffer): void {
  const aligned = (size: number) => (size + 3) & ~3
  for (let at = 0; at + 12 <= notes.length; ) {
    const [nameSize, size, type] = [0, 4, 8].map((field) => u32(notes, at + field))
    const description = at + 12 + aligned(nameSize!)
    if (type === NT_STAPSDT) {
      const texts = notes.toString('latin1', description + 24, description + size!).split('\0')
      usdt.set(`${texts[0]}:${texts[1]}`, texts[2] ?? '')
    }
    at = description + aligned(size!)
  }
}

function bytesAt(fd: number, offset: number, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  const length = readSync(fd, bytes, 0, size, offset)
  if (length < size) throw new RangeError('the file ends early')
  return bytes
}

const u16 = (bytes: Buffer, at: number) => (littleEndian ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at))
const u32 = (bytes: Buffer, at: number) => (littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at))
const u64 = (bytes: Buffer, at: number) =>
  Number(littleEndian ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at))

function stringAt(strings: Buffer, at: number): string {
  return strings.toString('latin1', at, strings.indexOf(0, at))
}
