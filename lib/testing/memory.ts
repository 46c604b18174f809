// The memory of an emulated machine. A pointer's upper half names a region, its lower half an offset in it. So an
// access is checked against the region that its pointer came from, whatever the program has computed with it, and freed
// memory can be distinguished from memory that was allocated later.
import { EmulatorError } from './fault.js'

export type RegionKind =
  | 'stack'
  | 'context'
  | 'packet'
  | 'map value'
  | 'map'
  | 'record'
  | 'global data'
  | 'kernel memory'
  | 'user memory'
  | 'function'

/** Handles a program's loads and stores in a region that is not plain bytes. */
export interface VirtualAccess {
  /** `undefined` for an access that the region does not allow. */
  load(offset: number, size: number): bigint | undefined
  /** Returns false for an access that the region does not allow. */
  store(offset: number, size: number, value: bigint): boolean
}

export interface Region {
  readonly id: number
  readonly kind: RegionKind
  /** What it is, for messages: `map 'counts'`. */
  readonly name: string
  /** Where it begins in the linear memory. */
  base: number
  size: number
  readonly writable: boolean
  /** Why it must no longer be used. */
  retired: string | undefined
  readonly virtual: VirtualAccess | undefined
  /** Where its marks begin, one byte for each byte that was written; 0 for memory that is all initialized. */
  readonly shadow: number
}

/**
 * The upper 16 bits of every pointer. The kernel's addresses look like this, so that checks for errors (IS_ERR) see no
 * error.
 */
const tag = 0xbf00
/** Added to the offset, so that a pointer somewhat before its region keeps the region. */
export const bias = 0x1000_0000
export const maxRegions = 0x1_0000
/** Each region's entry in the table that compiled programs read: base, readable size, writable size, shadow. */
export const entrySize = 16
export const tableBase = 16
export const tagWord = tag << 16

const firstFree = tableBase + maxRegions * entrySize
const pageSize = 65536
/** WebAssembly addresses 4 GB; the rest leaves room for growing by more than is needed. */
const mostMemory = 0xff00_0000

export class Memory {
  /** @internal */
  readonly linear = new WebAssembly.Memory({ initial: Math.ceil(firstFree / pageSize) + 4 })
  readonly #regions: (Region | undefined)[] = [undefined]
  readonly #free: number[] = []
  readonly #temporary: Region[] = []
  readonly #scratch: [at: number, size: number][] = []
  readonly #spare = new Map<number, number[]>()
  #next = firstFree
  #view = new DataView(this.linear.buffer)
  #bytes = new Uint8Array(this.linear.buffer)

  /** Views of the linear memory. They are replaced when it grows, so do not keep them. */
  get view(): DataView {
    if (this.#view.buffer !== this.linear.buffer) this.#view = new DataView(this.linear.buffer)
    return this.#view
  }

  get bytes(): Uint8Array {
    if (this.#bytes.buffer !== this.linear.buffer) this.#bytes = new Uint8Array(this.linear.buffer)
    return this.#bytes
  }

  /** Takes zeroed linear memory, aligned to 8 bytes, for as long as the machine lives. */
  allocate(size: number): number {
    const at = this.#next
    this.#next += Math.max(8, Math.ceil(size / 8) * 8)
    const missing = this.#next - this.linear.buffer.byteLength
    const pages = Math.ceil(missing / pageSize) + 16
    if (missing > 0) {
      if (this.#next > mostMemory) throw new RangeError(`the emulator has no ${size} bytes of memory left`)
      this.linear.grow(pages)
    }
    return at
  }

  /** Takes zeroed linear memory until the next run. */
  scratch(size: number): number {
    const rounded = Math.max(8, Math.ceil(size / 8) * 8)
    const at = this.#spare.get(rounded)?.pop() ?? this.allocate(rounded)
    this.bytes.fill(0, at, at + rounded)
    this.#scratch.push([at, rounded])
    return at
  }

  /** Frees what only the last run needed: call it before the next one. */
  endRun(): void {
    for (const region of this.#temporary.splice(0)) this.release(region)
    for (const [at, size] of this.#scratch.splice(0)) {
      const spare = this.#spare.get(size)
      if (spare === undefined) this.#spare.set(size, [at])
      else spare.push(at)
    }
  }

  region(
    kind: RegionKind,
    name: string,
    size: number,
    options: {
      base?: number
      writable?: boolean
      shadowed?: boolean
      /** Only for the current run. */
      temporary?: boolean
      virtual?: VirtualAccess
    } = {},
  ): Region {
    const { base, writable = true, shadowed = false, temporary = false, virtual } = options
    const take = (bytes: number): number => (temporary ? this.scratch(bytes) : this.allocate(bytes))
    const id = this.#free.pop() ?? this.#regions.length
    if (id >= maxRegions) throw new RangeError(`a machine has at most ${maxRegions} pieces of memory`)
    const region: Region = {
      id,
      kind,
      name,
      base: base ?? (virtual === undefined ? take(size) : 0),
      size,
      writable,
      retired: undefined,
      virtual,
      shadow: shadowed ? this.allocate(size) : 0,
    }
    this.#regions[id] = region
    if (temporary) this.#temporary.push(region)
    this.#describe(region)
    return region
  }

  /** Changes the size of a region, or moves it. */
  resize(region: Region, base: number, size: number): void {
    region.base = base
    region.size = size
    this.#describe(region)
  }

  /** From now on an access through a pointer to the region is an error that says why. */
  retire(region: Region, why: string): void {
    region.retired = why
    this.#describe(region)
  }

  /** Reuses the region's number for another one. Only between runs: pointers to it may be anywhere. */
  release(region: Region): void {
    this.retire(region, 'has been freed')
    this.#regions[region.id] = undefined
    this.#free.push(region.id)
  }

  #describe({ id, base, size, writable, retired, virtual, shadow }: Region): void {
    const at = tableBase + id * entrySize
    const plain = retired === undefined && virtual === undefined
    const view = this.view
    view.setUint32(at, base, true)
    view.setUint32(at + 4, plain ? size : 0, true)
    view.setUint32(at + 8, plain && writable ? size : 0, true)
    view.setUint32(at + 12, shadow, true)
  }

  /** A pointer into a region. */
  pointer(region: Region, offset = 0): bigint {
    return (BigInt((tagWord | region.id) >>> 0) << 32n) | BigInt(bias + offset)
  }

  /** What a pointer points to; `undefined` for a number that is not a pointer. */
  find(pointer: bigint): { region: Region; offset: number } | undefined {
    const upper = Number((pointer >> 32n) & 0xffff_ffffn)
    if (upper >>> 16 !== tag) return undefined
    const region = this.#regions[upper & 0xffff]
    return region && { region, offset: Number(pointer & 0xffff_ffffn) - bias }
  }

  /**
   * Where a pointer's bytes are in the linear memory, for a helper.
   *
   * @throws EmulatorError that says why the helper cannot access them
   */
  locate(pointer: bigint, size: number, access: 'read' | 'write', what: string): number {
    const { region, offset } = this.expect(pointer, what)
    this.expectAccess(region, offset, size, access, what)
    if (region.virtual !== undefined)
      throw new EmulatorError(`${what}: ${region.name} cannot be passed on as bytes`)
    if (region.shadow !== 0 && size > 0) {
      if (access === 'write') this.bytes.fill(1, region.shadow + offset, region.shadow + offset + size)
      else this.#expectMostlyInitialized(region, offset, size, what)
    }
    return region.base + offset
  }

  expect(pointer: bigint, what: string): { region: Region; offset: number } {
    const found = this.find(pointer)
    if (found !== undefined) return found
    if (pointer < 0x1_0000n)
      throw new EmulatorError(`${what}: the pointer is NULL${pointer === 0n ? '' : ` + ${pointer}`}`)
    throw new EmulatorError(`${what}: 0x${pointer.toString(16)} is a number and not a pointer`)
  }

  expectAccess(region: Region, offset: number, size: number, access: 'read' | 'write', what: string): void {
    if (region.retired !== undefined) throw new EmulatorError(`${what}: ${region.name} ${region.retired}`)
    if (access === 'write' && !region.writable)
      throw new EmulatorError(`${what}: ${region.name} is read-only`)
    if (offset >= 0 && offset + size <= region.size) return
    const place = region.kind === 'stack' ? `r10 ${signed(offset - region.size)}` : `offset ${offset}`
    throw new EmulatorError(
      `${what}: ${size} bytes at ${place} are out of bounds of ${region.name}, which has ${region.size} bytes`,
    )
  }

  /**
   * Compilers leave the padding of structs unwritten, at most 7 bytes, and kernels since 6.3 let helpers read it. A
   * longer gap, or nothing written at all, is a mistake.
   */
  #expectMostlyInitialized(region: Region, offset: number, size: number, what: string): void {
    const marks = this.bytes.subarray(region.shadow + offset, region.shadow + offset + size)
    let gap = 0
    for (const [i, mark] of marks.entries()) {
      gap = mark === 0 ? gap + 1 : 0
      if (gap > 7 || gap === size) this.expectInitialized(region, offset + i + 1 - gap, gap, what)
    }
  }

  expectInitialized(region: Region, offset: number, size: number, what: string): void {
    for (let i = offset; i < offset + size; i++) {
      if (this.bytes[region.shadow + i] !== 0) continue
      const place = region.kind === 'stack' ? `r10 ${signed(i - region.size)}` : `offset ${i}`
      throw new EmulatorError(`${what}: the byte at ${place} of ${region.name} was never written`)
    }
  }

  /** A copy of the bytes at a pointer. */
  read(pointer: bigint, size: number, what: string): Uint8Array {
    const at = this.locate(pointer, size, 'read', what)
    return this.bytes.slice(at, at + size)
  }

  write(pointer: bigint, bytes: Uint8Array, what: string): void {
    this.bytes.set(bytes, this.locate(pointer, bytes.length, 'write', what))
  }
}

const signed = (offset: number): string => (offset < 0 ? `- ${-offset}` : `+ ${offset}`)

/** Reads a number of 1, 2, 4 or 8 bytes, little-endian like all programs here. */
export function readNumber(view: DataView, at: number, size: number): bigint {
  switch (size) {
    case 1:
      return BigInt(view.getUint8(at))
    case 2:
      return BigInt(view.getUint16(at, true))
    case 4:
      return BigInt(view.getUint32(at, true))
    default:
      return view.getBigUint64(at, true)
  }
}

/** Writes the low bytes of a number: 1, 2, 4, 8 or 16. */
export function writeNumber(view: DataView, at: number, size: number, value: bigint): void {
  switch (size) {
    case 1:
      view.setUint8(at, Number(value & 0xffn))
      break
    case 2:
      view.setUint16(at, Number(value & 0xffffn), true)
      break
    case 4:
      view.setUint32(at, Number(value & 0xffff_ffffn), true)
      break
    default:
      view.setBigUint64(at, BigInt.asUintN(64, value), true)
      if (size > 8) view.setBigUint64(at + 8, BigInt.asUintN(64, value >> 64n), true)
  }
}
