// The sections .debug_* of a file, read piece by piece, or unpacked as a whole if they are compressed.
import * as zlib from 'node:zlib'
import { viewOf } from '../../btf/bytes.js'
import { type Elf, type Section, SHT_NOBITS, stringAt } from '../../machine/elf-file.js'

const SHF_COMPRESSED = 0x800
const [ELFCOMPRESS_ZLIB, ELFCOMPRESS_ZSTD] = [1, 2]
/** How many bytes are read at once when a small piece is asked for. */
const windowSize = 16_384
/** No real section is larger than this when unpacked, and a small file must not fill the memory. */
const mostUnpacked = 1 << 29
const mostWork = 2 ** 30
/** A path or a C++ name can be long, but not that long. */
const longestText = 65_536

/** The bytes of one section. */
export class DebugSection {
  /** Bytes, without compression. */
  readonly size: number
  readonly #read: (offset: number, length: number) => Uint8Array
  #window: Uint8Array = new Uint8Array(0)
  #windowAt = 0

  constructor(size: number, read: (offset: number, length: number) => Uint8Array) {
    this.size = size
    this.#read = read
  }

  /** @throws RangeError beyond the end of the section */
  bytes(offset: number, length: number): Uint8Array {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size))
      throw new RangeError('the debug information refers to something that does not exist')
    if (length > windowSize) return this.#exactly(offset, length)
    const at = offset - this.#windowAt
    if (at >= 0 && at + length <= this.#window.length) return this.#window.subarray(at, at + length)
    this.#window = this.#exactly(offset, Math.min(windowSize, this.size - offset))
    this.#windowAt = offset
    return this.#window.subarray(0, length)
  }

  text(offset: number): string {
    for (let length = 256; ; length *= 4) {
      const bytes = this.bytes(offset, Math.min(length, this.size - offset))
      if (bytes.includes(0) || bytes.length < length || length > longestText) return stringAt(bytes, 0)
    }
  }

  #exactly(offset: number, length: number): Uint8Array {
    const bytes = this.#read(offset, length)
    if (bytes.length < length) throw new RangeError('the file ends early')
    return bytes
  }
}

/** The sections with debug information of a file, by their names without `.debug_`. */
export class DebugSections {
  readonly elf: Elf
  readonly #known = new Map<string, DebugSection>()
  #work = 0

  constructor(elf: Elf) {
    this.elf = elf
  }

  /** Whether the file has lines. */
  static isIn(elf: Elf): boolean {
    const found = ['.debug_line', '.zdebug_line'].map((name) => elf.section(name))
    // A program whose debug information was moved into another file may still list the section.
    return found.some((section) => section !== undefined && section.type !== SHT_NOBITS && section.size > 0)
  }

  /** A section that is missing is empty. */
  get(name: string): DebugSection {
    let found = this.#known.get(name)
    if (found === undefined) {
      found = this.#open(name)
      this.#known.set(name, found)
    }
    return found
  }

  /**
   * Counts roughly how many bytes were read, and how many are needed to remember what was found. If it is far too much,
   * the file was made to keep its reader busy or to fill the memory.
   *
   * @throws RangeError if it is too much
   */
  spend(work: number): void {
    this.#work += work
    if (this.#work > mostWork) throw new RangeError('the debug information is too large')
  }

  #open(name: string): DebugSection {
    const { elf } = this
    const section = elf.section(`.debug_${name}`)
    if (section !== undefined) {
      if ((section.flags & SHF_COMPRESSED) !== 0) return this.#inMemory(this.#unpack(section))
      if (section.type === SHT_NOBITS) return this.#inMemory(new Uint8Array(0))
      return new DebugSection(section.size, (offset, length) => elf.read(section.offset + offset, length))
    }
    const old = elf.section(`.zdebug_${name}`)
    return this.#inMemory(old === undefined ? new Uint8Array(0) : this.#unpackOld(old))
  }

  #inMemory(bytes: Uint8Array): DebugSection {
    return new DebugSection(bytes.length, (offset, length) => bytes.subarray(offset, offset + length))
  }

  /** A compressed section begins with the kind of compression and the uncompressed size. */
  #unpack(section: Section): Uint8Array {
    const { elf } = this
    const packed = elf.bytesOf(section)
    const view = viewOf(packed)
    const kind = view.getUint32(0, elf.littleEndian)
    const size = elf.word(view, elf.is64 ? 8 : 4)
    const data = packed.subarray(elf.is64 ? 24 : 12)
    if (kind === ELFCOMPRESS_ZLIB) return this.#inflate(data, size)
    // Node.js has Zstandard since 22.15.
    const unzstd = (zlib as { zstdDecompressSync?: typeof zlib.inflateSync }).zstdDecompressSync
    if (kind !== ELFCOMPRESS_ZSTD || unzstd === undefined)
      throw new RangeError(`the debug information is compressed in a way that is not supported (${kind})`)
    return unpacked(size, () => unzstd(data, { maxOutputLength: mostOf(size) }))
  }

  /**
   * Before there was a flag for it, compressed sections had another name, and began with "ZLIB" and the size in 8
   * bytes.
   */
  #unpackOld(section: Section): Uint8Array {
    const packed = this.elf.bytesOf(section)
    if (stringAt(packed.subarray(0, 4), 0) !== 'ZLIB') throw new RangeError('a section is not compressed')
    const size = viewOf(packed).getUint32(4) * 2 ** 32 + viewOf(packed).getUint32(8)
    return this.#inflate(packed.subarray(12), size)
  }

  #inflate(data: Uint8Array, size: number): Uint8Array {
    return unpacked(size, () => zlib.inflateSync(data, { maxOutputLength: mostOf(size) }))
  }
}

function mostOf(size: number): number {
  if (size > mostUnpacked) throw new RangeError(`a section has ${size} bytes`)
  return Math.max(size, 1)
}

function unpacked(size: number, unpack: () => Uint8Array): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = unpack()
  } catch (error) {
    throw new RangeError(`a compressed section is damaged: ${(error as Error).message}`, { cause: error })
  }
  if (bytes.length !== size)
    throw new RangeError('a compressed section does not have the size that its header gives')
  return bytes
}
