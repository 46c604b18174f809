import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Field, fieldsIn, groupOf } from '../../lib/btf/layout.js'
import { BtfTypes } from '../../lib/btf/parse.js'
import { type BtfKind, type BtfStruct, kinds } from '../../lib/btf/types.js'

/** Does some work in a directory that is removed afterwards. */
export function inTemporaryDirectory<T>(work: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'libbpf-node-btf-'))
  try {
    return work(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

export function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url))
}

/** Returns the first of these compilers that is installed. */
function compiler(...names: string[]): string {
  const found = names.find((name) => {
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
  if (found === undefined) throw new Error(`these tests need one of ${names.join(', ')}`)
  return found
}

/** Compiles a C file of this directory for BPF. */
export function compileBpf(file: string, target: 'bpfel' | 'bpfeb' = 'bpfel'): Elf {
  const clang = compiler('clang', 'clang-19', 'clang-18', 'clang-17', 'clang-16')
  return inTemporaryDirectory((directory) => {
    const out = join(directory, 'out.o')
    execFileSync(clang, ['-target', target, '-g', '-O2', '-c', pathOf(file), '-o', out])
    return new Elf(readFileSync(out))
  })
}

/** Compiles and runs a C program on this machine, and returns what it prints. */
export function runC(source: string): string {
  return inTemporaryDirectory((directory) => {
    const out = join(directory, 'out')
    execFileSync(compiler('gcc', 'cc', 'clang'), ['-w', '-x', 'c', '-', '-o', out], { input: source })
    return execFileSync(out, { encoding: 'utf8', maxBuffer: 1 << 26 })
  })
}

interface Section {
  /** The offset of the section's header. */
  at: number
  name: string
  offset: number
  size: number
  link: number
}

/** Reads as much of a 64-bit ELF file as the tests need: sections by name, and the bytes of variables. */
export class Elf {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #littleEndian: boolean
  readonly #sections: Section[]

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#littleEndian = bytes[5] === 1
    const table = this.#u64(0x28)
    const count = this.#view.getUint16(0x3c, this.#littleEndian)
    const headers = Array.from({ length: count }, (_, i) => table + i * 64)
    const names = this.#u64(headers[this.#view.getUint16(0x3e, this.#littleEndian)]! + 24)
    this.#sections = headers.map((at) => ({
      at,
      name: this.#string(names + this.#u32(at)),
      offset: this.#u64(at + 24),
      size: this.#u64(at + 32),
      link: this.#u32(at + 40),
    }))
  }

  get btf(): BtfTypes {
    return new BtfTypes(this.section('.BTF'))
  }

  /** Returns the header of a section, as a view into the file. */
  header(name: string): Uint8Array {
    const { at } = this.#find(name)
    return this.#bytes.subarray(at, at + 64)
  }

  section(name: string): Uint8Array {
    const { offset, size } = this.#find(name)
    return this.#copy(offset, size)
  }

  variable(name: string): Uint8Array {
    const symbols = this.#find('.symtab')
    const strings = this.#sections[symbols.link]!.offset
    for (let at = symbols.offset; at < symbols.offset + symbols.size; at += 24) {
      if (this.#string(strings + this.#u32(at)) !== name) continue
      const section = this.#sections[this.#view.getUint16(at + 6, this.#littleEndian)]!
      const start = section.offset + this.#u64(at + 8)
      return this.#copy(start, this.#u64(at + 16))
    }
    throw new Error(`no variable ${name}`)
  }

  #copy(start: number, size: number): Uint8Array {
    return Uint8Array.from(this.#bytes.subarray(start, start + size))
  }

  #find(name: string): Section {
    const section = this.#sections.find((one) => one.name === name)
    if (section === undefined) throw new Error(`no section ${name}`)
    return section
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, this.#littleEndian)
  }

  #u64(at: number): number {
    return Number(this.#view.getBigUint64(at, this.#littleEndian))
  }

  #string(at: number): string {
    return Buffer.from(this.#bytes.subarray(at, this.#bytes.indexOf(0, at))).toString()
  }
}

/** Writes BTF by hand, valid or not, including BTF that no compiler would make. */
export class BtfWriter {
  readonly #littleEndian: boolean
  readonly #words: number[] = []
  readonly #stringStart: number
  #strings: string
  #nextId: number

  /** @param base - writes split BTF that continues this one */
  constructor(littleEndian = true, base?: { typeCount: number; stringsSize: number }) {
    this.#littleEndian = littleEndian
    this.#stringStart = base?.stringsSize ?? 0
    this.#strings = base === undefined ? '\0' : ''
    this.#nextId = base?.typeCount ?? 1
  }

  get stringsSize(): number {
    return this.#stringStart + this.#strings.length
  }

  string(text: string): number {
    if (text === '') return 0
    const start = this.stringsSize
    // One character for each byte of UTF-8.
    this.#strings += `${Buffer.from(text).toString('latin1')}\0`
    return start
  }

  /** Adds a type and returns its id. `count` is the number of members in `rest`. */
  add(kind: BtfKind, name: string, sizeOrType: number, rest: number[] = [], count = 0, flag = false): number {
    const info = ((flag ? 1 << 31 : 0) | (kinds.indexOf(kind) << 24) | count) >>> 0
    this.#words.push(this.string(name), info, sizeOrType, ...rest)
    return this.#nextId++
  }

  int(name: string, size: number, encoding = 0, bits = size * 8): number {
    return this.add('int', name, size, [(encoding << 24) | bits])
  }

  array(typeId: number, length: number): number {
    return this.add('array', '', 0, [typeId, typeId, length])
  }

  /** A member is `[name, type, offset in bits]`. */
  record(kind: 'struct' | 'union', name: string, size: number, members: [string, number, number][]): number {
    const rest = members.flatMap(([member, typeId, offset]) => [this.string(member), typeId, offset])
    return this.add(kind, name, size, rest, members.length)
  }

  bytes(): Uint8Array {
    const typesSize = this.#words.length * 4
    const bytes = new Uint8Array(24 + typesSize + this.#strings.length)
    const view = new DataView(bytes.buffer)
    view.setUint16(0, 0xeb9f, this.#littleEndian)
    view.setUint8(2, 1)
    const header = [24, 0, typesSize, typesSize, this.#strings.length]
    for (const [i, word] of [...header, ...this.#words].entries()) {
      view.setUint32(4 + i * 4, word, this.#littleEndian)
    }
    bytes.set(Buffer.from(this.#strings, 'latin1'), 24 + typesSize)
    return bytes
  }

  get btf(): BtfTypes {
    return new BtfTypes(this.bytes())
  }
}

/** The members of a struct, including those of its anonymous structs and unions. */
export function fieldsOf(btf: BtfTypes, struct: BtfStruct): Field[] {
  return fieldsIn(groupOf(btf, struct))
}

/** The BTF of the running kernel. */
export function kernelBtfBytes(): Uint8Array {
  return readFileSync('/sys/kernel/btf/vmlinux')
}
