import type { OnReady, SourceHandle } from '../../types/binding.js'
import { viewOf } from '../btf/bytes.js'
import { native } from '../native/binding.js'

/** Reads a record in place: it starts at `offset` and has `length` bytes. Its memory is reused after the call. */
export type DrainCallback = (view: DataView, offset: number, length: number) => void

/** Native code puts this many bytes in front of each record: its length, and padding. */
const header = 8

/**
 * One buffer of the kernel, and the slab that its records are copied to. Only {@link fill} writes to the slab,
 * and only when it is empty.
 *
 * @internal
 */
export class RecordSource {
  readonly #handle: SourceHandle
  /** Native code holds it weakly, so that a forgotten reader can be collected. */
  readonly #onReady: OnReady
  #view!: DataView
  #lengths!: Uint32Array
  /** How many records in the slab have not been read yet. */
  left = 0
  /** Where the next record is, and the last one that was read. */
  #at = header
  #last = header
  /** Counts the calls of {@link stop}: a callback may stop the source that calls it. */
  #stops = 0
  /** Counts the calls of {@link read}. */
  #reads = 0
  #watched = false
  #closed = false
  #dropped = 0
  /** Whether it waits in the queue of its reader. */
  queued = false
  /** The number of the event loop's turn that last read it. */
  turn = 0

  /** `onReady` is called by the event loop while the source is watched, see `OnReady` in types/binding/events.d.ts. */
  constructor(
    open: (onReady: OnReady) => SourceHandle,
    slabSize: number,
    onReady: (source: RecordSource, ended: boolean) => boolean,
  ) {
    this.#onReady = (ended) => {
      const stops = this.#stops
      this.#watched = false
      const again = onReady(this, ended) && stops === this.#stops
      if (again) this.#watched = true
      return again
    }
    this.#handle = open(this.#onReady)
    this.#useSlab(slabSize)
  }

  get handle(): SourceHandle {
    return this.#handle
  }

  get closed(): boolean {
    return this.#closed
  }

  /** How many records in the slab were never read: {@link left}, or what a close has dropped. */
  get unreadCount(): number {
    return this.#closed ? this.#dropped : this.left
  }

  /** Whether someone has transferred or detached the memory of the slab. */
  get detached(): boolean {
    return this.#lengths.length === 0 && !this.#closed
  }

  /** Makes the event loop call `onReady` when there are records. */
  watch(intervalMs: number, wakeable: boolean): void {
    if (this.#watched || this.#closed) return
    native.sourceWatch(this.#handle, intervalMs, wakeable)
    this.#watched = true
  }

  /** Undoes {@link watch}, and ends a {@link read} that is in progress. */
  stop(): void {
    this.#stops++
    this.#watched = false
    if (!this.#closed) native.sourceStop(this.#handle)
  }

  /** Copies records from the kernel to the slab, which has to be empty. Returns how many. */
  fill(limit: number): number {
    if (this.#closed || this.left > 0) return this.left
    let records = native.sourceConsume(this.#handle, limit)
    if (records < 0) {
      this.#useSlab(-records)
      records = native.sourceConsume(this.#handle, limit)
    }
    this.left = records
    this.#at = header
    return records
  }

  /**
   * Passes the next records of the slab to a callback: at most `most`, and fewer if the callback stops or closes the
   * source, or detaches the slab. A record counts as read even if the callback throws.
   */
  read(callback: DrainCallback, most: number): void {
    const view = this.#view
    const lengths = this.#lengths
    const stops = this.#stops
    // A codec may read on by itself. Where the records are is then no longer known here.
    const reads = ++this.#reads
    let at = this.#at
    let left = this.left
    const last = Math.max(left - most, 0)
    while (left > last && stops === this.#stops && reads === this.#reads) {
      const length = lengths[(at - header) >> 2]
      if (length === undefined) return
      const here = at
      at += header + ((length + 7) & ~7)
      left--
      this.left = left
      this.#last = here
      this.#at = at
      callback(view, here, length)
    }
  }

  /** Undoes the reading of the last record. */
  unread(): void {
    if (this.#closed) return
    this.#at = this.#last
    this.left++
  }

  /** Replaces a slab that was detached. Returns how many records were lost with it. */
  renewSlab(size: number): number {
    const lost = this.left
    this.left = 0
    this.#useSlab(size)
    return lost
  }

  close(): void {
    this.#stops++
    this.#closed = true
    this.#dropped = this.left
    this.left = 0
    native.sourceClose(this.#handle)
    // A reader that is kept after it was closed should not keep its memory.
    this.#view = new DataView(new ArrayBuffer(0))
    this.#lengths = new Uint32Array(0)
  }

  #useSlab(size: number): void {
    // A length is read as one element of a Uint32Array, so the end has to be aligned.
    const slab = new Uint8Array((size + 7) & ~7)
    this.#view = new DataView(slab.buffer)
    this.#lengths = new Uint32Array(slab.buffer)
    native.sourceSetSlab(this.#handle, slab)
  }
}

/** Passes all records of a slab that was not filled by a source to a callback. */
export function readSlab(slab: Uint8Array, callback: DrainCallback): void {
  const view = viewOf(slab)
  const lengths = new Uint32Array(slab.buffer, slab.byteOffset, slab.byteLength >> 2)
  for (let at = header; at < slab.length; ) {
    const length = lengths[(at - header) >> 2]!
    callback(view, at, length)
    at += header + ((length + 7) & ~7)
  }
}
