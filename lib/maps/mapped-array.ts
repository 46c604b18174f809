import type { MemoryHandle } from '../../types/binding.js'
import { live } from '../btf/live-memory.js'
import type { Plan } from '../btf/plan.js'
import { attempt } from '../errors/attempt.js'
import type { Subject } from '../errors/explain.js'
import { attachableMaps } from '../links/attachment.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'
import type { ElementCodec } from './element-codec.js'

/** What a mapped array needs to know about its map. @internal */
export interface MappedType {
  readonly name: string
  readonly maxEntries: number
  /** Bytes. */
  readonly valueSize: number
  readonly value: ElementCodec
  readonly plan: () => Plan
  readonly littleEndian: boolean
}

/** Room for one value. */
interface Scratch {
  readonly bytes: Uint8Array
  readonly view: DataView
}

const memoryArguments = ['memory', 'offset', 'bytes']

/**
 * The values of an array with `BPF_F_MMAPABLE`, in memory that programs use as well. Reading and writing them takes no
 * system call. The mapping stays usable when the map is closed, and keeps the map in the kernel until you close the
 * mapping.
 *
 * Only what the machine makes atomic is atomic: an aligned number of up to 8 bytes is read and written at once, a
 * struct is not.
 */
export class MappedArray<V> implements Disposable {
  readonly #handle: MemoryHandle
  readonly #type: MappedType
  readonly #stride: number
  /** Missing while a value is encoded or decoded: code of the caller that runs then may use the array, too. */
  #scratch: Scratch | undefined
  #items: V[] | undefined
  /** The number of values: the map's `maxEntries`. */
  readonly length: number

  /** Use {@link BpfMap.mmap}. @internal */
  constructor(handle: MemoryHandle, type: MappedType) {
    this.#handle = handle
    this.#type = type
    this.length = type.maxEntries
    this.#stride = paddedTo8(type.valueSize)
  }

  /** A copy of a value. @throws RangeError if the index is out of range */
  get(index: number): V {
    const offset = this.#offsetOf(index)
    const scratch = this.#takeScratch()
    try {
      this.#read(offset, scratch.bytes)
      return this.#type.value.decode(scratch.view, 0) as V
    } finally {
      this.#scratch = scratch
    }
  }

  /**
   * Writes a whole value.
   *
   * @throws RangeError if the index is out of range
   * @throws BpfError EACCES if the array is mapped for reading only
   */
  set(index: number, value: V): this {
    const offset = this.#offsetOf(index)
    const scratch = this.#takeScratch()
    try {
      this.#type.value.encode(value, scratch.view, 0)
      this.#write(offset, scratch.bytes)
    } finally {
      this.#scratch = scratch
    }
    return this
  }

  /**
   * The values as live objects: `items[3].packets` reads those 8 bytes, and assigning to it writes them. Strings and
   * byte arrays are copies, which you assign as a whole. In loops, {@link get} is faster.
   */
  get items(): V[] {
    if (this.#items === undefined) {
      const { name, plan, littleEndian } = this.#type
      const memory = {
        littleEndian,
        read: (offset: number, target: Uint8Array) => this.#read(offset, target),
        write: (offset: number, source: Uint8Array) => this.#write(offset, source),
      }
      const array: Plan = {
        op: 'array',
        item: plan(),
        length: this.length,
        stride: this.#stride,
        flexible: false,
      }
      this.#items = live(memory, array, 0, name).get() as V[]
    }
    return this.#items
  }

  /** The values as copies. */
  *[Symbol.iterator](): Generator<V, undefined> {
    for (let i = 0; i < this.length; i++) yield this.get(i)
  }

  /** Unmaps the memory. Using it afterwards throws ERR_BPF_CLOSED. You can call it twice. */
  close(): void {
    native.memoryClose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #takeScratch(): Scratch {
    const scratch = this.#scratch
    this.#scratch = undefined
    if (scratch !== undefined) return scratch
    const bytes = new Uint8Array(this.#type.valueSize)
    return { bytes, view: new DataView(bytes.buffer) }
  }

  #offsetOf(index: number): number {
    if (Number.isInteger(index) && index >= 0 && index < this.length) return index * this.#stride
    throw new RangeError(
      `map '${this.#type.name}': index ${index} does not exist, because the array has ${this.length} values`,
    )
  }

  #read(offset: number, target: Uint8Array): void {
    attempt(this.#subject('read'), () => native.memoryRead(this.#handle, offset, target))
  }

  #write(offset: number, source: Uint8Array): void {
    attempt(this.#subject('write'), () => native.memoryWrite(this.#handle, offset, source))
  }

  #subject(what: string): Subject {
    return memorySubject(this.#type.name, what)
  }
}

/** The memory of an arena, by offsets from its beginning. */
export class MappedArena implements Disposable {
  readonly #handle: MemoryHandle
  readonly #map: string
  /** Bytes. The map's `maxEntries` counts pages. */
  readonly size: number
  /** Where the arena is in this process. Pointers in an arena are such addresses. */
  readonly address: bigint

  /** Use {@link BpfMap.mmapArena}. @internal */
  constructor(handle: MemoryHandle, map: string, size: number, address: bigint) {
    this.address = address
    this.#handle = handle
    this.#map = map
    this.size = size
  }

  /**
   * Copies bytes out of the arena. Reading a page that is not allocated allocates it.
   *
   * @throws BpfError EFAULT for such a page in an arena with the flag BPF_F_SEGV_ON_FAULT
   */
  read(offset: number, length: number): Uint8Array {
    const what = `read ${length} bytes at ${offset}`
    if (!Number.isInteger(length))
      throw new TypeError(`map '${this.#map}': ${what}: length is not an integer`)
    if (length < 0 || length > this.size) {
      const message = `map '${this.#map}': ${what}: length is out of range, the arena has ${this.size} bytes`
      throw new RangeError(message)
    }
    const bytes = new Uint8Array(length)
    attempt(memorySubject(this.#map, what), () => native.memoryRead(this.#handle, offset, bytes))
    return bytes
  }

  /** Copies bytes into the arena. Writing to a page that is not allocated allocates it. */
  write(offset: number, bytes: Uint8Array): void {
    attempt(memorySubject(this.#map, `write at ${offset}`), () =>
      native.memoryWrite(this.#handle, offset, bytes),
    )
  }

  /** Unmaps the arena. The memory of an object's arena belongs to libbpf, and is unmapped with the object. */
  close(): void {
    native.memoryClose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Why a map cannot be mapped, by errno. */
const mmapReasons: Record<number, string> = {
  1: 'it is frozen or read-only: mmap({ writable: false }) maps it for reading',
  16: 'it is mapped already, and an arena can be mapped only once',
  22: 'it is mapped already, and an arena can be mapped only once',
  95: 'only arrays with the flag BPF_F_MMAPABLE (Linux 5.5) and arenas (Linux 6.9) can be mapped',
}

/** Maps the memory of a map. @internal */
export function mapMemory(map: { readonly name: string }, writable: boolean): MemoryHandle {
  const subject = {
    ...attachableMaps.of(map).subject,
    what: `map '${map.name}': mmap`,
    reason: ({ errno }: { errno: number }) => mmapReasons[errno],
  }
  return attempt(subject, () => native.mapMmap(mapHandles.of(map), writable))
}

function paddedTo8(size: number): number {
  return Math.ceil(size / 8) * 8
}

function memorySubject(map: string, what: string): Subject {
  return {
    what: `map '${map}': ${what}`,
    map,
    arguments: memoryArguments,
    reason: ({ errno }) => {
      if (errno === 13) return 'it is mapped for reading only'
      return errno === 14 ? 'a page of the arena is not allocated' : undefined
    },
  }
}
