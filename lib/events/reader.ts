import type { OnBatch, SourceHandle } from '../../types/binding.js'
import type { Codec } from '../btf/codec.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { native } from '../native/binding.js'
import { type DrainCallback, EventSource, readSlab } from './record-source.js'

/** `AsyncIterableIterator<T, undefined>`, which TypeScript has in this form since 5.6 only. */
export type Iteration<T> = AsyncIterator<T, undefined> & AsyncIterable<T>

export interface EventReaderOptions {
  /** Bytes of memory for a batch; 256 KiB by default. It grows by itself for a larger record. */
  slabSize?: number
  /** How many records one ring gives at most in a turn of the event loop; 4096 by default. */
  batchSize?: number
  /** Milliseconds that a turn of the event loop may spend on records, 10 by default: what is left of a batch then waits for the next. */
  turnTime?: number
  /**
   * Looks each so many milliseconds instead of being woken, 0 by default. For programs that submit with BPF_RB_NO_WAKEUP, which
   * spares them the cost of waking.
   */
  interval?: number
  /**
   * With an `interval`: looks at once, too, when the program wakes the reader after all, false by default. For programs that do so when there is much to read,
   * see LIBBPF_NODE_WAKE_BYTES of `libbpf-node.bpf.h`, and for the watermark of a perf buffer.
   */
  wakeable?: boolean
}

interface ReaderSettings<T> extends EventReaderOptions {
  codec?: Codec<T>
}

/** How many records are delivered at the most between two looks at the clock. */
const betweenLooks = 64

/** An `on` or `drain` callback, or an iteration. */
interface Reader {
  /** Called when a source has records in its slab: at most `most` of them may be read, until `until` on the clock. */
  ready: (source: EventSource, most: number, until: number) => void
  /** Called when reading ends, with an error where nobody wanted that. */
  end: (error?: BpfError) => void
}

/**
 * What ring buffers and perf buffers have in common. There are these ways to read, one at a time:
 *
 * - `for await (const record of reader)`: at the pace of the loop's body. What is not asked for stays in the kernel's ring.
 * - `for await (const records of reader.batches())`: the same by arrays, with less ado for each record.
 * - `reader.on(record => ...)`: as records come, a batch each turn of the event loop.
 * - `reader.drain((view, offset, length) => ...)`: the same without making anything of them; the fastest.
 */
export abstract class EventReader<T> implements Disposable, AsyncIterable<T> {
  readonly #what: string
  readonly #codec: Codec<T> | undefined
  readonly #slabSize: number
  readonly #batchSize: number
  readonly #turnTime: number
  readonly #interval: number
  readonly #wakeable: boolean
  /** In the order in which they are read next: the one that was read goes to the end. */
  #sources: EventSource[] = []
  #reader: Reader | undefined
  #paused = false
  #held = true
  #delivering = false
  #closed = false
  /** The turn of the event loop: a source is ready once in each. */
  #turn = 1
  #turnEnd = 0
  /** The turn's time is spent, or an earlier reader left something: what is in the slabs is read in a turn to come. */
  #later = false
  readonly #decode = (view: DataView, offset: number, length: number): T => {
    if (this.#codec !== undefined) return this.#codec.decode(view, offset, length)
    // Without a codec T is Uint8Array: it's the type parameter's default in the subclasses.
    return new Uint8Array(view.buffer, offset, length).slice() as T
  }

  protected constructor(what: string, settings: ReaderSettings<T>) {
    const {
      slabSize = 1 << 18,
      batchSize = 4096,
      turnTime = 10,
      interval = 0,
      wakeable = false,
      codec,
    } = settings
    this.#what = what
    this.#codec = codec
    this.#slabSize = within('slabSize', 'bytes', slabSize, 64, 1 << 30)
    this.#batchSize = within('batchSize', 'records', batchSize, 1, 2 ** 32 - 1)
    this.#interval = within('interval', 'milliseconds', interval, 0, 2 ** 31 - 1)
    if (typeof wakeable !== 'boolean') throw new TypeError('wakeable is not a boolean')
    this.#wakeable = wakeable
    if (typeof turnTime !== 'number' || Number.isNaN(turnTime))
      throw new TypeError('turnTime is not a number')
    if (turnTime < 0) throw new RangeError('turnTime is not 0 or more milliseconds')
    this.#turnTime = turnTime
  }

  get closed(): boolean {
    return this.#closed
  }

  /**
   * Calls `listener` with each record, as they come. What it throws is reported as an uncaught exception; the records after it are
   * delivered all the same. Keeps the process alive until {@link stop}, {@link close} or {@link unref}.
   */
  on(listener: (record: T) => void): this {
    return this.drain((view, offset, length) => listener(this.#decode(view, offset, length)))
  }

  /** Like {@link on}, with the records where they lie: nothing is allocated for them. The view's memory is used again for the next batch. */
  drain(callback: DrainCallback): this {
    this.#begin({
      ready: (source, most, until) => this.#deliver(source, callback, most, until),
      end: (error) => {
        if (error !== undefined) throwUncaught(error)
      },
    })
    this.#startAll()
    return this
  }

  /** Ends `on` or `drain`, or the iteration. Records wait in the kernel's ring for the next reader. */
  stop(): void {
    this.#end()
  }

  /** Leaves records in the kernel's ring until {@link resume}. The reader stays. */
  pause(): void {
    this.#paused = true
    this.#stopAll()
  }

  resume(): void {
    this.#paused = false
    if (this.#reader !== undefined) this.#startAll()
  }

  /**
   * Delivers what is there now to the reader that `on` or `drain` set, without waiting for the event loop.
   *
   * @param limit - how many records at most
   * @returns how many records
   */
  consume(limit = Number.MAX_SAFE_INTEGER): number {
    const reader = this.#reader
    if (reader === undefined) throw this.error('has no reader: call on() or drain() first', 'ERR_BPF_STATE')
    if (this.#delivering) throw this.error('is being read: its reader cannot call consume()', 'ERR_BPF_BUSY')
    let count = 0
    for (const source of [...this.#sources]) {
      while (count < limit && this.#reader === reader) {
        const records =
          source.left > 0 ? source.left : this.#fill(source, Math.min(limit - count, this.#batchSize))
        if (records === 0) break
        reader.ready(source, limit - count, Number.POSITIVE_INFINITY)
        count += records - source.left
        // The reader has paused, or has read what it may.
        if (source.left > 0) break
      }
    }
    return count
  }

  /** Lets the process end while it is read. */
  unref(): this {
    return this.#hold(false)
  }

  /** Undoes {@link unref}. */
  ref(): this {
    return this.#hold(true)
  }

  /** Arrays of records as they are asked for; ends when the reader is closed or stopped. */
  batches(): Iteration<T[]> {
    return this.#iterate((source) => {
      const batch = new Array<T>(source.left)
      let count = 0
      source.read((view, offset, length) => {
        batch[count++] = this.#decode(view, offset, length)
      }, source.left)
      return batch
    })
  }

  /** Records as they are asked for; ends when the reader is closed or stopped. */
  [Symbol.asyncIterator](): Iteration<T> {
    let record: T
    const keep: DrainCallback = (view, offset, length) => {
      record = this.#decode(view, offset, length)
    }
    return this.#iterate((source) => {
      source.read(keep, 1)
      return record
    })
  }

  /** Ends reading. Closing twice is fine, and inside of a callback, too. */
  close(): void {
    if (this.#closed) return
    this.stop()
    this.#closed = true
    for (const source of this.#sources) source.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  // ---- For subclasses

  /** Opens a source and reads it with the others, from now on. */
  protected addSource(open: (onBatch: OnBatch) => SourceHandle): EventSource {
    this.expectOpen()
    const source = attempt(
      { what: `read ${this.#what}` },
      () =>
        new EventSource(
          open,
          this.#slabSize,
          (ready) => this.#ready(ready),
          (ended) => this.sourceEnded(ended),
        ),
    )
    native.sourceRef(source.handle, this.#held)
    this.#sources.push(source)
    if (this.#reader !== undefined) this.#start(source)
    return source
  }

  /** Closes a source. What was not read of it is gone, in the slab, or stays, in the kernel. */
  protected removeSource(source: EventSource): void {
    this.#sources = this.#sources.filter((other) => other !== source)
    source.close()
  }

  /** The kernel has ended a source, without being asked to. */
  protected sourceEnded(_: EventSource): void {
    this.#end(this.error('was ended by the kernel', 'EPIPE'))
  }

  /** The records of what is laid out as a slab. */
  protected decodeSlab(slab: Uint8Array): T[] {
    const records: T[] = []
    readSlab(slab, (view, offset, length) => records.push(this.#decode(view, offset, length)))
    return records
  }

  /** Throws where the reader cannot be read as records come. */
  protected expectReadable(): void {
    this.expectOpen()
  }

  protected expectOpen(): void {
    if (this.#closed) throw this.error('is closed', 'ERR_BPF_CLOSED')
  }

  // ----

  #end(error?: BpfError): void {
    const reader = this.#reader
    this.#reader = undefined
    this.#stopAll()
    reader?.end(error)
  }

  #begin(reader: Reader): void {
    this.expectReadable()
    if (this.#reader !== undefined) {
      throw this.error(
        'has a reader already: one of for await, batches(), on() and drain() at a time',
        'ERR_BPF_STATE',
      )
    }
    this.#reader = reader
  }

  #start(source: EventSource): void {
    if (this.#paused) return
    if (source.left === 0) {
      attempt({ what: `read ${this.#what}` }, () =>
        source.start(this.#batchSize, this.#interval, this.#wakeable),
      )
      return
    }
    // What an earlier reader left. Not within this call.
    this.#readLater()
  }

  #startAll(): void {
    for (const source of this.#sources) this.#start(source)
  }

  #stopAll(): void {
    if (this.#closed) return
    for (const source of this.#sources) source.stop()
  }

  #hold(on: boolean): this {
    this.expectOpen()
    this.#held = on
    for (const source of this.#sources) native.sourceRef(source.handle, on)
    return this
  }

  #fill(source: EventSource, limit: number): number {
    return attempt({ what: `read ${this.#what}` }, () => source.fill(limit))
  }

  /** The event loop has records for the reader. */
  #ready(source: EventSource): void {
    if (this.#paused || source.left === 0) return
    if (this.#later) {
      source.stop()
      return
    }
    const now = performance.now()
    if (source.turn === this.#turn || now > this.#turnEnd) {
      this.#turn++
      this.#turnEnd = now + this.#turnTime
    }
    source.turn = this.#turn
    this.#reader?.ready(source, Number.POSITIVE_INFINITY, this.#turnEnd)
  }

  #readLater(): void {
    if (this.#later) return
    this.#later = true
    // The first comes in the same turn when the event loop is polling.
    this.#nextTurn(() =>
      this.#nextTurn(() => {
        this.#later = false
        this.#readSlabs()
      }),
    )
  }

  #nextTurn(call: () => void): void {
    const immediate = setImmediate(call)
    if (!this.#held) immediate.unref()
  }

  #readSlabs(): void {
    const reader = this.#reader
    const until = performance.now() + this.#turnTime
    for (const source of [...this.#sources]) {
      if (reader === undefined || this.#reader !== reader || this.#paused) return
      if (source.left > 0 && !this.#later) {
        reader.ready(source, Number.POSITIVE_INFINITY, until)
        this.#toEnd(source)
      }
      if (source.left === 0 && this.#reader === reader) this.#start(source)
    }
  }

  /** Others are read before it. */
  #toEnd(source: EventSource): void {
    const at = this.#sources.indexOf(source)
    if (at >= 0) this.#sources.push(...this.#sources.splice(at, 1))
  }

  #deliver(source: EventSource, callback: DrainCallback, most: number, until: number): void {
    const reader = this.#reader
    const wasPaused = this.#paused
    const last = Math.max(source.left - most, 0)
    // Twice as many each time: slow callbacks are found out soon, fast ones not asked often.
    let run = 1
    this.#delivering = true
    const goesOn = () => !source.closed && this.#reader === reader && this.#paused === wasPaused
    while (source.left > last && goesOn()) {
      try {
        source.read(callback, Math.min(run, source.left - last))
      } catch (error) {
        // As if the event loop had called it alone: uncaught, and the other records are not its business.
        throwUncaught(error)
      }
      run = Math.min(2 * run, betweenLooks)
      if (performance.now() > until) {
        if (source.left > 0) source.stop()
        this.#readLater()
        break
      }
    }
    this.#delivering = false
  }

  #iterate<R>(read: (source: EventSource) => R): Iteration<R> {
    const done = { done: true, value: undefined } as const
    let wake = (): void => {}
    let failure: BpfError | undefined
    const reader: Reader = {
      ready: () => wake(),
      end: (error) => {
        failure = error
        wake()
      },
    }
    this.#begin(reader)
    const isOver = (): boolean => this.#reader !== reader
    // Awaiting what is there already never lets the event loop go on, so that has to be done by the clock.
    let until = performance.now() + this.#turnTime
    let reads = 0

    /** What is there now, from the source whose turn it is. */
    const take = (): IteratorResult<R, undefined> | undefined => {
      for (let i = this.#sources.length; i > 0; i--) {
        const source = this.#sources[0]!
        const found = source.left > 0 || this.#fill(source, this.#batchSize) > 0
        const value = found ? read(source) : undefined
        if (source.left === 0) this.#toEnd(source)
        if (found) return { done: false, value: value as R }
      }
      return undefined
    }
    const next = async (): Promise<IteratorResult<R, undefined>> => {
      while (!isOver()) {
        if (performance.now() > until) {
          await new Promise<void>((resolve) => this.#nextTurn(resolve))
          until = performance.now() + this.#turnTime
          continue
        }
        const taken = this.#paused ? undefined : take()
        if (taken !== undefined) return taken
        await new Promise<void>((resolve) => {
          wake = resolve
          this.#startAll()
        })
        until = performance.now() + this.#turnTime
        if (!isOver()) this.#stopAll()
      }
      const error = failure
      failure = undefined
      if (error !== undefined) throw error
      return done
    }
    const end = (): void => {
      if (!isOver()) this.stop()
    }
    /** As an error ends a generator: nobody asks for more after that. */
    const fail = (error: unknown): Promise<never> => {
      end()
      return Promise.reject(error)
    }
    // One after the other, as an async generator would do it.
    let last: Promise<unknown> = Promise.resolve()
    let waiting = 0
    return {
      [Symbol.asyncIterator]() {
        return this
      },
      next: () => {
        const source = this.#sources[0]
        // The short way, for all records of a batch but the last, with a look at the clock now and then.
        const isShort = waiting === 0 && ++reads % betweenLooks !== 0
        if (isShort && source !== undefined && source.left > 1 && !isOver() && !this.#paused) {
          try {
            return Promise.resolve({ done: false, value: read(source) })
          } catch (error) {
            return fail(error)
          }
        }
        waiting++
        const result = last
          .then(next)
          .catch(fail)
          .finally(() => waiting--)
        last = result.catch(() => {})
        return result
      },
      return: () => {
        end()
        return Promise.resolve(done)
      },
    }
  }

  protected error(is: string, code: string): BpfError {
    return new BpfError(`${this.#what} ${is}`, { code })
  }
}

function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

function within(name: string, unit: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value)) throw new TypeError(`${name} is not a whole number of ${unit}`)
  if (value < least || value > most)
    throw new RangeError(`${name} is not between ${least} and ${most} ${unit}`)
  return value
}
