import type { OnBatch, SourceHandle } from '../../types/binding.js'
import { native } from '../native/binding.js'

/** Reads a record in place: it starts at `offset`, has `length` bytes, and is gone after the call. */
export type DrainCallback = (view: DataView, offset: number, length: number) => void

/** Native code puts so many bytes before each record: its length, and padding. */
const header = 8

/** One ring of the kernel, and the slab that its records are copied to. @internal */
export class EventSource {
  readonly #handle: SourceHandle
  /** Native code holds it weakly while the source is not started, so that a forgotten reader can go. */
  readonly #onBatch: OnBatch
  #view!: DataView
  #lengths!: Uint32Array
  /** How many records of the slab were not read yet. */
  left = 0
  /** Where the next one is. */
  #at = header
  #halted = false
  /** Nothing comes from it any more. Whoever reads it at the moment need not know. */
  closed = false
  /** The number of the turn in which it was read last. */
  turn = 0

  /**
   * `onRecords` is called by the event loop when records have come into the slab, `onEnd` when the kernel has ended the source and all of it
   * was read.
   */
  constructor(
    open: (onBatch: OnBatch) => SourceHandle,
    slabSize: number,
    onRecords: (source: EventSource) => void,
    onEnd: (source: EventSource) => void,
  ) {
    this.#onBatch = (records) => {
      if (records === undefined) return onEnd(this)
      this.#took(records, 1)
      onRecords(this)
    }
    this.#handle = open(this.#onBatch)
    this.#useSlab(slabSize)
  }

  get handle(): SourceHandle {
    return this.#handle
  }

  /** Has the event loop fill the slab. Only while it is empty: what is in it would be written over. */
  start(limit: number, intervalMs: number, wakeable: boolean): void {
    if (!this.closed) native.sourceStart(this.#handle, limit, intervalMs, wakeable)
  }

  stop(): void {
    this.#halted = true
    if (!this.closed) native.sourceStop(this.#handle)
  }

  /** Takes records from the ring into the empty slab; how many. */
  fill(limit: number): number {
    return this.closed ? 0 : this.#took(native.sourceConsume(this.#handle, limit), limit)
  }

  /**
   * Gives the next records of the slab to a callback, `most` at the most; fewer when it stops or closes the source. A record that it throws at
   * has been read.
   */
  read(callback: DrainCallback, most: number): void {
    const view = this.#view
    const lengths = this.#lengths
    this.#halted = false
    for (let i = most; i > 0 && this.left > 0 && !this.#halted; i--) {
      const at = this.#at
      const length = lengths[(at - header) >> 2]!
      this.left--
      this.#at = at + header + ((length + 7) & ~7)
      callback(view, at, length)
    }
  }

  close(): void {
    this.#halted = true
    this.closed = true
    native.sourceClose(this.#handle)
    // Whoever keeps the reader need not keep its memory.
    this.#view = new DataView(new ArrayBuffer(0))
    this.#lengths = new Uint32Array(0)
  }

  #took(records: number, limit: number): number {
    if (records < 0) {
      this.#useSlab(-records)
      return this.fill(limit)
    }
    this.left = records
    this.#at = header
    return records
  }

  #useSlab(size: number): void {
    // Lengths are read as one u32, so the end has to be on a boundary.
    const slab = new Uint8Array((size + 7) & ~7)
    this.#view = new DataView(slab.buffer)
    this.#lengths = new Uint32Array(slab.buffer)
    native.sourceSetSlab(this.#handle, slab)
  }
}

/** Gives all records of a slab that was not filled by a source to a callback. */
export function readSlab(slab: Uint8Array, callback: DrainCallback): void {
  const view = new DataView(slab.buffer, slab.byteOffset, slab.byteLength)
  const lengths = new Uint32Array(slab.buffer, slab.byteOffset, slab.byteLength >> 2)
  for (let at = header; at < slab.length; ) {
    const length = lengths[(at - header) >> 2]!
    callback(view, at, length)
    at += header + ((length + 7) & ~7)
  }
}
