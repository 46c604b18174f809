import type { RingBufferHandle } from '../types/binding.js'
import { native } from './binding.js'
import type { Codec } from './btf/codec.js'
import { attempt } from './call.js'
import { BpfError } from './errors.js'
import { type BpfMap, handleOfMap } from './map.js'

export interface RingBufferOptions {
  /** Bytes that one batch may take in memory; 256 KiB by default. It grows by itself for a larger record. */
  slabSize?: number
  /** How many records a turn of the event loop takes at most; 4096 by default. */
  batchSize?: number
}

/** Reads a record in place: it starts at `offset`, has `length` bytes, and is gone after the call. */
export type DrainCallback = (view: DataView, offset: number, length: number) => void

/** Native code puts so many bytes before each record: its length, and padding. */
const header = 8

/**
 * A consumer of a ring buffer map (Linux 5.8). There are three ways to read it, one at a time:
 *
 * - `for await (const record of ring)`: at the reader's pace. What is not asked for stays in the kernel's ring.
 * - `ring.on(record => ...)`: as records come, a batch each turn of the event loop.
 * - `ring.drain((view, offset, length) => ...)`: the same without making anything of them; the fastest.
 *
 * A ring has one consumer: two readers of one map, in any process, take records from each other.
 */
export class RingBuffer<T = Uint8Array> implements Disposable, AsyncIterable<T> {
  readonly #handle: RingBufferHandle
  readonly #name: string
  readonly #codec: Codec<T> | undefined
  readonly #batchSize: number
  #slab!: Uint8Array
  #view!: DataView
  #lengths!: Uint32Array
  /** The records in the slab that were not read yet, and where the next one is. */
  #left = 0
  #at = header
  #deliver: (() => void) | undefined
  #delivering = false
  #closed = false

  /**
   * @param map - a map of type ringbuf, after load; the ring works on when the map is closed
   * @param options - `codec` makes values of the records; without it they are copies of their bytes
   */
  constructor(map: BpfMap<unknown, unknown>, options: RingBufferOptions & { codec?: Codec<T> } = {}) {
    const { slabSize = 1 << 18, batchSize = 4096, codec } = options
    if (!(Number.isInteger(slabSize) && slabSize >= 64))
      throw new RangeError('slabSize is not a number of bytes, 64 at least')
    if (!(Number.isInteger(batchSize) && batchSize >= 1))
      throw new RangeError('batchSize is not a number of records, 1 at least')
    this.#name = map.name
    this.#codec = codec
    this.#batchSize = batchSize
    map.fd
    this.#handle = attempt({ what: `read ring buffer '${map.name}'`, map: map.name }, () =>
      native.ringBufferNew(handleOfMap(map), (records) => this.#onBatch(records)),
    )
    this.#useSlab(slabSize)
  }

  /** Bytes of the ring. (`ring__size`) */
  get size(): number {
    return this.#do('read the size', () => native.ringBufferSize(this.#handle))
  }

  /** Bytes in the ring that were not consumed, with 8 for the header of each record. (`ring__avail_data_size`) */
  get availableBytes(): number {
    return this.#do('read the fill', () => native.ringBufferAvailable(this.#handle))
  }

  /** Bytes that went through the ring, at its end and at its beginning. (`ring__consumer_pos`, `ring__producer_pos`) */
  get consumerPosition(): bigint {
    return this.#do('read the position', () => native.ringBufferConsumerPosition(this.#handle))
  }
  get producerPosition(): bigint {
    return this.#do('read the position', () => native.ringBufferProducerPosition(this.#handle))
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * Calls `listener` with each record, as they come. What it throws is reported as an uncaught exception; the records after it are
   * delivered all the same. Keeps the process alive until {@link stop}, {@link close} or {@link unref}.
   */
  on(listener: (record: T) => void): this {
    return this.#start(() => {
      this.#each((view, offset, length) => listener(this.#decode(view, offset, length)))
    })
  }

  /**
   * Like {@link on}, with the records where they lie: nothing is allocated for them. The view's memory is used again
   * for the next batch.
   */
  drain(callback: DrainCallback): this {
    return this.#start(() => this.#each(callback))
  }

  /** Ends `on` or `drain`. Records wait in the kernel's ring for the next reader. */
  stop(): void {
    if (this.#closed) return
    this.#deliver = undefined
    native.ringBufferStop(this.#handle)
  }

  /**
   * Delivers what is in the ring now to the reader that `on` or `drain` set, without waiting for the event loop.
   *
   * @returns how many records
   */
  consume(limit = Number.MAX_SAFE_INTEGER): number {
    const deliver = this.#deliver
    if (deliver === undefined) throw this.#error('has no reader: call on() or drain() first', 'ERR_BPF_STATE')
    if (this.#delivering)
      throw this.#error('is being read: consume() cannot be called by its reader', 'ERR_BPF_BUSY')
    let count = this.#left
    deliver()
    while (count < limit && !this.#closed) {
      const records = this.#fill(Math.min(limit - count, this.#batchSize))
      if (records === 0) break
      count += records
      deliver()
    }
    return count
  }

  /** Lets the process end while the ring is read. */
  unref(): this {
    this.#do('unref', () => native.ringBufferRef(this.#handle, false))
    return this
  }

  /** Undoes {@link unref}. */
  ref(): this {
    this.#do('ref', () => native.ringBufferRef(this.#handle, true))
    return this
  }

  /** Ends reading. Closing twice is fine, and inside of a callback, too. (`ring_buffer__free`) */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#left = 0
    native.ringBufferClose(this.#handle)
    this.#deliver?.()
    this.#deliver = undefined
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Records as they are asked for; ends when the ring is closed. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T, undefined> {
    this.#expectFree()
    const done = { done: true, value: undefined } as const
    // A reader is there, so that no other one can begin.
    let wake = (): void => {}
    const deliver = (): void => wake()
    this.#deliver = deliver
    const end = (): void => {
      if (this.#deliver === deliver) this.stop()
    }
    const take = (): IteratorResult<T, undefined> => {
      const length = this.#lengths[(this.#at - header) >> 2]!
      const at = this.#at
      this.#advance(length)
      return { done: false, value: this.#decode(this.#view, at, length) }
    }
    const waitForMore = async (): Promise<IteratorResult<T, undefined>> => {
      await new Promise<void>((resolve) => {
        wake = resolve
        native.ringBufferStart(this.#handle, this.#batchSize)
      })
      if (this.#closed || this.#deliver !== deliver) return done
      native.ringBufferStop(this.#handle)
      return this.#left > 0 ? take() : waitForMore()
    }
    // One after the other, as an async generator would do it.
    let last: Promise<unknown> = Promise.resolve()
    let waiting = 0
    const next = async (): Promise<IteratorResult<T, undefined>> => {
      if (this.#closed || this.#deliver !== deliver) return done
      if (this.#left > 0 || this.#fill(this.#batchSize) > 0) return take()
      return waitForMore()
    }
    return {
      [Symbol.asyncIterator]() {
        return this
      },
      next: () => {
        if (waiting === 0 && this.#left > 0 && this.#deliver === deliver) return Promise.resolve(take())
        waiting++
        const result = last.then(next).finally(() => waiting--)
        last = result.catch(() => {})
        return result
      },
      return: () => {
        end()
        wake()
        return Promise.resolve(done)
      },
    }
  }

  // ----

  #useSlab(size: number): void {
    // A length is read as one u32, so the end has to be on a boundary.
    this.#slab = new Uint8Array((size + 7) & ~7)
    this.#view = new DataView(this.#slab.buffer)
    this.#lengths = new Uint32Array(this.#slab.buffer)
    native.ringBufferSetSlab(this.#handle, this.#slab)
  }

  #start(deliver: () => void): this {
    this.#expectFree()
    this.#deliver = deliver
    this.#do('start', () => native.ringBufferStart(this.#handle, this.#batchSize))
    // What an earlier reader left in the slab; not before this call is over.
    if (this.#left > 0) queueMicrotask(() => this.#deliver?.())
    return this
  }

  #expectFree(): void {
    if (this.#closed) throw this.#error('is closed', 'ERR_BPF_CLOSED')
    if (this.#deliver !== undefined) {
      throw this.#error('has a reader already: one of for await, on() and drain() at a time', 'ERR_BPF_STATE')
    }
  }

  /** Called by the event loop with the result of a drain. */
  #onBatch(records: number): void {
    this.#took(records)
    this.#deliver?.()
  }

  /** Takes records into the empty slab. */
  #fill(limit: number): number {
    return this.#took(this.#do('consume', () => native.ringBufferConsume(this.#handle, limit)))
  }

  #took(records: number): number {
    if (records < 0) {
      this.#useSlab(-records)
      return this.#fill(this.#batchSize)
    }
    this.#left = records
    this.#at = header
    return records
  }

  #advance(length: number): void {
    this.#left--
    this.#at += header + ((length + 7) & ~7)
  }

  #each(callback: DrainCallback): void {
    const view = this.#view
    this.#delivering = true
    while (this.#left > 0) {
      const at = this.#at
      const length = this.#lengths[(at - header) >> 2]!
      this.#advance(length)
      try {
        callback(view, at, length)
      } catch (error) {
        // As if the event loop had called it alone: uncaught, and the other records are not its business.
        queueMicrotask(() => {
          throw error
        })
      }
    }
    this.#delivering = false
  }

  #decode(view: DataView, offset: number, length: number): T {
    if (this.#codec !== undefined) return this.#codec.decode(view, offset, length)
    // Without a codec T is Uint8Array: it's the type parameter's default.
    return new Uint8Array(view.buffer, offset, length).slice() as T
  }

  #do<R>(what: string, call: () => R): R {
    return attempt({ what: `ring buffer '${this.#name}': ${what}`, map: this.#name }, call)
  }

  #error(is: string, code: string): BpfError {
    return new BpfError(`ring buffer '${this.#name}' ${is}`, { code, map: this.#name })
  }
}
