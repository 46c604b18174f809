import { constants } from 'node:os'
import type { NativeError, OnReady, SourceHandle } from '../../types/binding.js'
import { type Codec, expectCodec } from '../btf/codec.js'
import { type RecordView, RecordViewer } from '../btf/record-view.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { explain, type Subject } from '../errors/explain.js'
import { holdProcess, setInUse } from './in-use.js'
import { type Iteration, type IterationHost, type ReadNext, RecordIteration } from './iteration.js'
import { type DrainCallback, RecordSource, readSlab } from './record-source.js'

export interface EventReaderOptions {
  /** Bytes of memory for a batch of records, 256 KiB by default. It grows by itself for a larger record. */
  slabSize?: number
  /** How many records are taken from one buffer at a time, at most; 4096 by default. */
  batchSize?: number
  /**
   * How many milliseconds of a turn of the event loop may be spent on records, 10 by default. The rest of a batch then
   * waits for the next turn. With 0, each turn delivers a few records at most.
   */
  turnTime?: number
  /**
   * Looks for records every so many milliseconds instead of waiting for the kernel to wake the reader; 0, the default,
   * turns this off. Use it for programs that submit records with `BPF_RB_NO_WAKEUP`, which saves them the cost of
   * waking.
   */
  interval?: number
  /**
   * With an `interval`, also looks for records as soon as the kernel wakes the reader; false by default. Use it for
   * programs that wake the reader only when many records wait (see `LIBBPF_NODE_WAKE_BYTES` in `libbpf-node.bpf.h`),
   * and for perf buffers with a `watermark`.
   */
  wakeable?: boolean
}

interface ReaderSettings<T> extends EventReaderOptions {
  codec?: Codec<T>
  /** Instead of a codec, for records that are not of a BTF type. */
  decode?: Decode<T>
}

type Decode<T> = (view: DataView, offset: number, length: number) => T

/** How many records are delivered between two looks at the clock: at the beginning, and at most, to a fast callback. */
const betweenLooks = { first: 64, most: 512 }

/** The most records in an array of {@link EventReader.batches}. */
const mostInArray = 512

/** What reads the records: the callback of `on`, `onView` or `drain`, or an iteration. */
interface Reader {
  /** Whether it asks for records when it wants them, instead of being called. */
  readonly pulls: boolean
  /** Whether it waits for records, so that it must not be garbage-collected. */
  readonly waiting: boolean
  /** Called when there are sources in the queue. */
  wake: () => void
  /** Called when reading has ended, with an error unless the user ended it. */
  end: (error?: BpfError) => void
}

/**
 * What ring buffers and perf buffers have in common. There are five ways to read records. Use one of them at a time:
 *
 * - `for await (const record of reader)` reads at the pace of the loop's body. Records wait in the kernel until then.
 * - `for await (const records of reader.batches())` does the same with arrays, which costs less per record.
 * - `reader.on(record => ...)` calls your function with each record as it arrives.
 * - `reader.onView(view => ...)` does the same, but reads members only when you use them.
 * - `reader.drain((view, offset, length) => ...)` passes the bytes in place. It is the fastest way.
 *
 * Every record is delivered exactly once, even if you pause, stop, or switch to another way of reading in between. The
 * next way of reading gets the records that the previous one did not. Only {@link close}, and removing a map, drop
 * records that were taken from the kernel and not delivered yet.
 */
export abstract class EventReader<T> implements Disposable, AsyncIterable<T> {
  readonly #what: string
  readonly #codec: Codec<T> | undefined
  readonly #decodeWith: Decode<T> | undefined
  readonly #slabSize: number
  readonly #batchSize: number
  readonly #turnTime: number
  readonly #interval: number
  readonly #wakeable: boolean
  readonly #sources = new Set<RecordSource>()
  /** Sources that have records, or may have some, in the order in which they will be read. All others are watched. */
  #queue: RecordSource[] = []
  #reader: Reader | undefined
  #paused = false
  #delivering = false
  #closed = false
  /** The user wants the process to stay alive while something is read. */
  #held = true
  #inUse = false
  #holdsProcess = false
  /** The number of the current turn of the event loop. Each turn reports a source at most once. */
  #turn = 1
  #turnEnd = 0
  /** When {@link #deliver} last looked at the clock, and whether the callback was fast then. */
  #looked = 0
  #isFast = false
  /** Whether a later turn will deliver what is in the queue to the callback. */
  #later = false
  #current: RecordSource | undefined
  readonly #decode: Decode<T> = (view, offset, length) => {
    if (this.#decodeWith !== undefined) return this.#decodeWith(view, offset, length)
    // Without a codec, T is Uint8Array, the default of the type parameter in the subclasses.
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
      decode = codec?.decode,
    } = settings
    this.#what = what
    if (codec !== undefined) expectCodec('codec', codec, ['decode'])
    this.#codec = codec
    this.#decodeWith = decode
    this.#slabSize = within('slabSize', 'bytes', slabSize, 64, 1 << 30)
    this.#batchSize = within('batchSize', 'records', batchSize, 1, 2 ** 32 - 1)
    this.#interval = within('interval', 'milliseconds', interval, 0, 2 ** 31 - 1)
    if (typeof wakeable !== 'boolean') throw new TypeError('wakeable is not a boolean')
    this.#wakeable = wakeable
    this.#turnTime = notNegative('turnTime', 'milliseconds', turnTime)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Whether records that were taken from the kernel wait to be delivered. @internal */
  get hasRecords(): boolean {
    return [...this.#sources].some(({ left }) => left > 0)
  }

  /**
   * Calls `listener` with each record. If it throws, the error becomes an uncaught exception, and the following records
   * are still delivered. The process stays alive until {@link stop}, {@link close} or {@link unref}.
   */
  on(listener: (record: T) => void): this {
    expectFunction('listener', listener)
    return this.drain((view, offset, length) => listener(this.#decode(view, offset, length)))
  }

  /**
   * Like {@link on}, but passes the place of each record in memory, and creates no objects. The memory is reused after
   * the call, so copy what you keep, and do not transfer the buffer.
   */
  drain(callback: DrainCallback): this {
    expectFunction('callback', callback)
    this.#begin(new Delivery(callback, () => this.#readLater()))
    return this
  }

  /**
   * Like {@link on}, but passes a view that reads members in place when you use them: reading two members of a record
   * with twenty costs no more than reading two. The view is always the same object, which is moved from record to
   * record, and it is only valid during the call. Use `copy()` for what you keep. {@link RecordView} describes its
   * members.
   *
   * @param listener - `copy()` returns the record as {@link on} passes it
   * @throws TypeError if the records have no type, or the codec was not made by this package
   *
   * @example
   * ring.onView((event, copy) => {
   *   if (event.comm.equals('nginx') && event.duration > 1_000_000n) slow.push(copy())
   * })
   */
  onView(listener: (view: RecordView<T>, copy: () => T) => void): this {
    expectFunction('listener', listener)
    const codec = this.#codec
    const viewer = codec && RecordViewer.of<T>(codec)
    if (codec === undefined || viewer === undefined) {
      throw new TypeError(
        `${this.#what} has no views: they need the name of a struct, or its codec from codec() of an object or Btf`,
      )
    }
    return this.drain((view, offset, length) => {
      if (length < codec.size) codec.decode(view, offset, length)
      viewer.moveTo(view, offset, length)
      listener(viewer.view, viewer.copy)
      viewer.release()
    })
  }

  /** Ends `on`, `drain`, or the iteration. Records that were not delivered wait for the next way of reading. */
  stop(): void {
    this.#end()
  }

  /** Delivers nothing until {@link resume}; records wait in the kernel. You can pause before anything reads. */
  pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#stopAll()
  }

  /** Undoes {@link pause}. */
  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#settleAll()
  }

  /**
   * Delivers the records that are available now to the callback of `on`, `onView` or `drain`, without waiting for the
   * event loop. It also works while the reader is paused.
   *
   * @param limit - how many records to deliver, at most
   * @returns how many records were delivered
   * @throws BpfError ERR_BPF_STATE without one of these callbacks, ERR_BPF_BUSY inside of the callback
   */
  consume(limit = Number.POSITIVE_INFINITY): number {
    notNegative('limit', 'records', limit)
    if (limit !== Number.POSITIVE_INFINITY) expectInteger('limit', 'records', limit)
    const reader = this.#reader
    if (!(reader instanceof Delivery)) {
      throw this.error('has no callback: call on() or drain() first', 'ERR_BPF_STATE')
    }
    if (this.#delivering)
      throw this.error('is calling its callback, which cannot call consume()', 'ERR_BPF_BUSY')
    let count = 0
    try {
      for (const source of [...this.#sources]) {
        while (count < limit && this.#reader === reader) {
          if (this.#fill(source, Math.min(limit - count, this.#batchSize)) === 0) break
          count += this.#deliver(source, reader, limit - count, Number.POSITIVE_INFINITY)
          // The callback has paused the reader, or the limit is reached.
          if (source.left > 0) break
        }
      }
    } catch (error) {
      this.#end()
      throw error
    }
    return count
  }

  /** Lets the process end even while records are being read. */
  unref(): this {
    return this.#hold(false)
  }

  /** Undoes {@link unref}. */
  ref(): this {
    return this.#hold(true)
  }

  /**
   * Reads arrays of up to 512 records, each when you ask for it. Ends when the reader is stopped or closed. If a record
   * cannot be decoded, you first get the records before it, and then the error.
   */
  batches(): Iteration<T[]> {
    let batch: T[]
    let count: number
    const keep: DrainCallback = (view, offset, length) => {
      batch[count] = this.#decode(view, offset, length)
      count++
    }
    return this.#iterate((source, failNext) => {
      this.#current = source
      // Objects of larger arrays no longer fit into the processor's cache when you read them.
      const most = Math.min(source.left, mostInArray)
      batch = new Array<T>(most)
      count = 0
      try {
        source.read(keep, most)
      } catch (error) {
        if (count === 0) throw error
        failNext(error)
      }
      batch.length = count
      return batch
    })
  }

  /** Reads records, each when you ask for it. Ends when the reader is stopped or closed. */
  [Symbol.asyncIterator](): Iteration<T> {
    let record: T
    const keep: DrainCallback = (view, offset, length) => {
      record = this.#decode(view, offset, length)
    }
    return this.#iterate((source) => {
      this.#current = source
      source.read(keep, 1)
      return record
    })
  }

  /** Ends reading permanently. You can close a reader twice, and from inside its callback. */
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

  /** Opens a source and reads it with the others from now on. `about` is for errors. */
  protected addSource(
    open: (onReady: OnReady) => SourceHandle,
    about: Pick<Subject, 'map' | 'reason'>,
  ): RecordSource {
    this.expectOpen()
    const source = attempt(
      { what: `read ${this.#what}`, ...about },
      () => new RecordSource(open, this.#slabSize, (ready, ended) => this.#ready(ready, ended)),
    )
    this.#sources.add(source)
    this.#settle(source)
    return source
  }

  /** Closes a source. Records in its slab are dropped; those in the kernel stay there. */
  protected removeSource(source: RecordSource): void {
    this.#sources.delete(source)
    source.close()
  }

  /** The source of the records that are being delivered, or were delivered last. */
  protected get current(): RecordSource | undefined {
    return this.#current
  }

  /** Records were copied from the kernel, and will be delivered next. */
  protected filled(_: RecordSource): void {}

  /** The kernel has ended a source on its own. */
  protected sourceEnded(_: RecordSource): void {
    this.#end(this.endError())
  }

  /** The error that reading then ends with. */
  protected endError(): BpfError {
    return this.error('was ended by the kernel', 'EPIPE')
  }

  /** The records in memory that is laid out as a slab. */
  protected decodeSlab(slab: Uint8Array): T[] {
    const records: T[] = []
    readSlab(slab, (view, offset, length) => records.push(this.#decode(view, offset, length)))
    return records
  }

  /** Throws if records cannot be delivered as they arrive. */
  protected expectReadable(): void {
    this.expectOpen()
  }

  protected expectOpen(): void {
    if (this.#closed) throw this.error('is closed', 'ERR_BPF_CLOSED')
  }

  protected error(is: string, code: string): BpfError {
    return new BpfError(`${this.#what} ${is}`, { code })
  }

  // ---- The queue: while something reads, each source is either in the queue or watched

  #settleAll(): void {
    for (const source of this.#sources) this.#settle(source)
    this.#updateUse()
  }

  /** Decides whether to queue or watch a source, from what is in its slab. */
  #settle(source: RecordSource): void {
    const reader = this.#reader
    if (reader === undefined || this.#paused) return
    if (source.left === 0 && !reader.pulls) {
      this.#watch(source)
    } else {
      this.#enqueue(source)
      reader.wake()
    }
  }

  #enqueue(source: RecordSource): void {
    if (source.queued || source.closed) return
    source.queued = true
    this.#queue.push(source)
  }

  #dequeue(): RecordSource | undefined {
    const source = this.#queue.shift()
    if (source !== undefined) source.queued = false
    return source
  }

  /** Stops watching, because nothing is to be read now. */
  #stopAll(): void {
    this.#updateUse()
    for (const source of this.#queue) source.queued = false
    this.#queue = []
    for (const source of this.#sources) source.stop()
  }

  /** Copies records from the kernel, unless there are some in the slab. Returns how many are in the slab. */
  #fill(source: RecordSource, limit: number): number {
    if (source.left > 0) return source.left
    this.#expectSlab(source)
    let records: number
    try {
      records = source.fill(limit)
    } catch (error) {
      throw explain(error, { what: `read ${this.#what}`, reason: whyUnreadable })
    }
    this.filled(source)
    return records
  }

  #expectSlab(source: RecordSource): void {
    if (!source.detached) return
    const lost = source.renewSlab(this.#slabSize)
    const records = lost === 1 ? '1 record' : `${lost} records`
    throw this.error(
      `has lost its memory, and ${records} with it: a callback or codec has transferred the buffer of the records`,
      'ERR_BPF_STATE',
    )
  }

  #watch(source: RecordSource): void {
    attempt({ what: `watch ${this.#what}` }, () => source.watch(this.#interval, this.#wakeable))
  }

  // ---- Beginning and ending

  #begin(reader: Reader): void {
    this.expectReadable()
    if (this.#reader !== undefined) {
      throw this.error(
        'is being read already: use only one of for await, batches(), on(), onView() and drain() at a time, and call stop() before you switch',
        'ERR_BPF_STATE',
      )
    }
    this.#reader = reader
    this.#settleAll()
  }

  #end(error?: BpfError): void {
    const reader = this.#reader
    this.#reader = undefined
    if (!this.#closed) this.#stopAll()
    reader?.end(error)
  }

  /** Like {@link #end}, for a value that was thrown. */
  #fail(error: unknown): void {
    this.#end(error as BpfError)
  }

  #hold(on: boolean): this {
    this.expectOpen()
    this.#held = on
    this.#updateUse()
    return this
  }

  #updateUse(): void {
    const inUse = this.#reader?.waiting === true && !this.#paused
    if (inUse !== this.#inUse) setInUse(this, inUse)
    this.#inUse = inUse
    const holds = inUse && this.#held
    if (holds !== this.#holdsProcess) holdProcess(holds)
    this.#holdsProcess = holds
  }

  // ---- Delivering to a callback, and iterating

  /** Called when the event loop has found records. Returns whether to keep watching the source. */
  #ready(source: RecordSource, ended: boolean): boolean {
    if (ended) {
      this.sourceEnded(source)
      return false
    }
    const reader = this.#reader
    if (reader === undefined || this.#paused) return false
    if (!(reader instanceof Delivery) || this.#later) {
      this.#enqueue(source)
      reader.wake()
      return false
    }
    const now = performance.now()
    this.#looked = now
    if (source.turn === this.#turn || now > this.#turnEnd) {
      this.#turn++
      this.#turnEnd = now + this.#turnTime
    }
    source.turn = this.#turn
    try {
      if (this.#fill(source, this.#batchSize) > 0) {
        this.#deliver(source, reader, Number.POSITIVE_INFINITY, this.#turnEnd)
      }
    } catch (error) {
      this.#fail(error)
    }
    if (this.#reader === undefined || this.#paused) return false
    if (source.left > 0) this.#settle(source)
    return source.left === 0
  }

  #readLater(): void {
    if (this.#later) return
    this.#later = true
    this.#nextTurn(() => {
      this.#later = false
      this.#deliverQueue()
    })
  }

  #nextTurn(call: () => void): void {
    // An unreferenced immediate only runs when something else wakes the event loop.
    if (!this.#held) setTimeout(call, 0).unref()
    // The first immediate still comes in the same turn if the event loop is polling.
    else setImmediate(() => setImmediate(call))
  }

  #deliverQueue(): void {
    const reader = this.#reader
    if (!(reader instanceof Delivery)) return
    this.#looked = performance.now()
    const until = this.#looked + this.#turnTime
    try {
      for (let i = this.#queue.length; i > 0 && this.#reader === reader && !this.#paused; i--) {
        if (this.#later) return
        const source = this.#dequeue()
        if (source === undefined) return
        this.#deliver(source, reader, Number.POSITIVE_INFINITY, until)
        this.#settle(source)
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Calls a callback with the records of a slab. Returns how many. */
  #deliver(source: RecordSource, reader: Delivery, most: number, until: number): number {
    const before = source.left
    const last = Math.max(before - most, 0)
    const wasPaused = this.#paused
    const isLimited = until !== Number.POSITIVE_INFINITY
    // A look at the clock can cost as much as ten records, so a fast callback gets more and more of them at a time.
    let run = isLimited ? (this.#isFast ? betweenLooks.first : 1) : before
    this.#delivering = true
    this.#current = source
    while (source.left > last && this.#reader === reader && this.#paused === wasPaused) {
      const left = source.left
      try {
        source.read(reader.callback, Math.min(run, left - last))
      } catch (error) {
        // Behaves as if the event loop had called the callback for this record alone.
        throwUncaught(error)
      }
      if (source.left === left || source.detached) break
      if (!isLimited) continue
      const now = performance.now()
      this.#isFast = (now - this.#looked) * 16 < this.#turnTime
      this.#looked = now
      run = this.#isFast ? Math.min(2 * run, betweenLooks.most) : 1
      if (now > until) {
        this.#readLater()
        break
      }
    }
    this.#delivering = false
    if (this.#reader !== reader) this.#reader?.wake()
    this.#expectSlab(source)
    return before - source.unreadCount
  }

  #iterate<R>(read: ReadNext<R>): Iteration<R> {
    const iteration = new RecordIteration(this.#host, read)
    this.#begin(iteration)
    return iteration
  }

  get #host(): IterationHost {
    return {
      turnTime: this.#turnTime,
      isCurrent: (iteration) => this.#reader === iteration,
      // A callback may begin an iteration, which then waits for its turn.
      mayRead: (iteration) => this.#reader === iteration && !this.#paused && !this.#delivering,
      nextReady: () => this.#nextReady(),
      toEnd: (source) => this.#toEnd(source),
      expectSlab: (source) => this.#expectSlab(source),
      waitingChanged: () => this.#updateUse(),
      turn: () => new Promise((resolve) => this.#nextTurn(resolve)),
      stop: () => this.stop(),
    }
  }

  #nextReady(): RecordSource | undefined {
    for (let source = this.#queue[0]; source !== undefined; source = this.#queue[0]) {
      if (this.#fill(source, this.#batchSize) > 0) return source
      this.#dequeue()
      this.#watch(source)
    }
    return undefined
  }

  #toEnd(source: RecordSource): void {
    if (this.#queue[0] === source && this.#queue.length > 1) this.#queue.push(this.#queue.shift()!)
  }
}

/** The callback of `on`, `onView` or `drain`. */
class Delivery implements Reader {
  readonly pulls = false
  readonly waiting = true

  constructor(
    readonly callback: DrainCallback,
    readonly wake: () => void,
  ) {}

  end(error?: BpfError): void {
    if (error !== undefined) throwUncaught(error)
  }
}

function whyUnreadable({ errno }: NativeError): string | undefined {
  return errno === constants.errno.EBADMSG
    ? 'its positions or lengths are impossible: another process has damaged them; create a new map'
    : undefined
}

function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

function expectFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw new TypeError(`${name} is not a function`)
}

function expectInteger(name: string, unit: string, value: number): void {
  if (!Number.isInteger(value)) throw new TypeError(`${name} is not a whole number of ${unit}`)
}

function notNegative(name: string, unit: string, value: number): number {
  if (typeof value !== 'number' || Number.isNaN(value)) throw new TypeError(`${name} is not a number`)
  if (value < 0) throw new RangeError(`${name} is not 0 or more ${unit}`)
  return value
}

function within(name: string, unit: string, value: number, least: number, most: number): number {
  expectInteger(name, unit, value)
  if (value < least || value > most)
    throw new RangeError(`${name} is not between ${least} and ${most} ${unit}`)
  return value
}
