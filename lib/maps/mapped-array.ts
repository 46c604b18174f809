import type { MemoryHandle } from '../../types/binding.js'
import { live } from '../btf/live-memory.js'
import type { Plan } from '../btf/plan.js'
import { attempt } from '../errors/attempt.js'
import type { Subject } from '../errors/explain.js'
import { native } from '../native/binding.js'
import type { ElementCodec } from './element-codec.js'

/** What a mapped array needs to know of its map. @internal */
export interface MappedType {
  readonly name: string
  readonly maxEntries: number
  /** Bytes. */
  readonly valueSize: number
  readonly value: ElementCodec
  readonly plan: () => Plan
  readonly littleEndian: boolean
}

const memoryArguments = ['memory', 'index', 'value']

/**
 * The values of an array with `BPF_F_MMAPABLE`, in memory that programs see, too: reading and writing takes no system call. It outlives its map, and holds it
 * in the kernel until it's closed.
 *
 * Nothing is atomic but what the machine makes so: an aligned number of up to 8 bytes is read and written at once, a struct is not.
 */
export class MappedArray<V> implements Disposable {
  readonly #handle: MemoryHandle
  readonly #type: MappedType
  readonly #stride: number
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #items: V[] | undefined
  /** How many values there are: the map's `maxEntries`. */
  readonly length: number

  /** Use {@link BpfMap.mmap}. @internal */
  constructor(handle: MemoryHandle, type: MappedType) {
    this.#handle = handle
    this.#type = type
    this.length = type.maxEntries
    this.#stride = paddedTo8(type.valueSize)
    this.#bytes = new Uint8Array(type.valueSize)
    this.#view = new DataView(this.#bytes.buffer)
  }

  /** A value, as a copy. @throws RangeError where there is none */
  get(index: number): V {
    this.#read(this.#offsetOf(index), this.#bytes)
    return this.#type.value.decode(this.#view, 0) as V
  }

  /** Writes a value whole. @throws RangeError where there is none; BpfError EACCES where it is mapped read-only */
  set(index: number, value: V): this {
    const offset = this.#offsetOf(index)
    this.#type.value.encode(value, this.#view, 0)
    this.#write(offset, this.#bytes)
    return this
  }

  /**
   * The values where they lie: `items[3].packets` reads those 8 bytes, assigning to it writes them. Strings and byte arrays are copies, to be assigned
   * whole. For loops {@link get} is faster.
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

  /** The values, each as a copy. */
  *[Symbol.iterator](): Generator<V, undefined> {
    for (let i = 0; i < this.length; i++) yield this.get(i)
  }

  /** Gives the memory back; using it afterwards throws ERR_BPF_CLOSED. Twice is fine. */
  close(): void {
    native.memoryClose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #offsetOf(index: number): number {
    if (Number.isInteger(index) && index >= 0 && index < this.length) return index * this.#stride
    throw new RangeError(`map '${this.#type.name}': there is no value ${index}, it has ${this.length}`)
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
  /** Bytes: the map's `maxEntries` are pages. */
  readonly size: number

  /** Use {@link BpfMap.mmapArena}. @internal */
  constructor(handle: MemoryHandle, map: string, size: number) {
    this.#handle = handle
    this.#map = map
    this.size = size
  }

  /**
   * A copy of bytes. A page that no program has allocated comes to be by reading it.
   *
   * @throws BpfError EFAULT for such a page with the flag BPF_F_SEGV_ON_FAULT
   */
  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    attempt(memorySubject(this.#map, `read ${length} bytes at ${offset}`), () =>
      native.memoryRead(this.#handle, offset, bytes),
    )
    return bytes
  }

  /** Copies bytes into it. */
  write(offset: number, bytes: Uint8Array): void {
    attempt(memorySubject(this.#map, `write at ${offset}`), () =>
      native.memoryWrite(this.#handle, offset, bytes),
    )
  }

  /** As {@link MappedArray.close}. The memory of an object's arena is libbpf's, and goes with the object. */
  close(): void {
    native.memoryClose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Why a map cannot be mapped, by errno. @internal */
export const mmapReasons: Record<number, string> = {
  1: 'it is frozen or read-only: mmap({ writable: false }) maps it for reading',
  16: 'it is mapped already, and an arena is mapped once',
  22: 'it is mapped already, and an arena is mapped once',
  95: 'only arrays with the flag BPF_F_MMAPABLE (Linux 5.5) and arenas (Linux 6.9) can be',
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
      return errno === 14 ? 'a page of the arena is not there' : undefined
    },
  }
}
