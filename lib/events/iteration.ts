import type { DrainCallback, RecordSource } from './record-source.js'

/** What `for await` reads: `AsyncIterableIterator<T, undefined>`, which TypeScript has in this form only since 5.6. */
export type Iteration<T> = AsyncIterator<T, undefined> & AsyncIterable<T>

/** What an iteration needs from its reader. @internal */
export interface IterationHost {
  /** Whether the iteration has not been stopped. */
  isCurrent(iteration: object): boolean
  /** Whether it has not been stopped and may read now. */
  mayRead(iteration: object): boolean
  /** The next source with records in its slab. If there is none, all of them are watched. */
  nextReady(): RecordSource | undefined
  /** Moves this source behind the others, so that they are read first. */
  toEnd(source: RecordSource): void
  /** Throws if the slab of a source is gone. */
  expectSlab(source: RecordSource): void
  /** Tells the reader that the iteration has started or stopped waiting for records. */
  waitingChanged(): void
  /** Resolves in the next turn of the event loop. */
  turn(): Promise<void>
  /** Milliseconds that a turn may take. */
  readonly turnTime: number
  stop(): void
}

/** How many available records the iteration delivers before it looks at the clock. */
const betweenLooks = 64

const done = { done: true, value: undefined } as const

/** Makes the next value from the records of a source, and reports an error that belongs to the value after it. */
export type ReadNext<R> = (source: RecordSource, failNext: (error: unknown) => void) => R

/**
 * Reads only when it is asked for the next value, so that all other records stay in the kernel. Calls of `next()` are
 * answered in order, like those of an async generator.
 *
 * @internal
 */
export class RecordIteration<R> implements Iteration<R> {
  readonly pulls = true
  readonly #host: IterationHost
  readonly #read: ReadNext<R>
  #source: RecordSource | undefined
  /** The last call of next() that is not answered yet. */
  #last: Promise<unknown> | undefined
  #calls = 0
  #reads = 0
  /** When to let the event loop run. It does not run while the iteration only awaits settled Promises. */
  #until: number
  #wake: (() => void) | undefined
  /** What ended the iteration. */
  #error: { error: unknown } | undefined
  /** The error of the record that comes next, which the next call throws. */
  #failure: { source: RecordSource; error: unknown } | undefined

  readonly #failNext = (error: unknown): void => {
    const source = this.#source!
    source.unread()
    this.#failure = { source, error }
  }

  constructor(host: IterationHost, read: ReadNext<R>) {
    this.#host = host
    this.#read = read
    this.#until = performance.now() + host.turnTime
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** A call of next() waits for records. */
  get waiting(): boolean {
    return this.#wake !== undefined
  }

  /** There may be records, or the iteration has been stopped. */
  wake(): void {
    this.#wake?.()
  }

  /** The reader has ended the iteration. */
  end(error: unknown): void {
    if (error !== undefined) this.#error = { error }
    this.wake()
  }

  next(): Promise<IteratorResult<R, undefined>> {
    const source = this.#source
    // The fast path, for all records in a slab except the last one.
    if (source !== undefined && source.left > 1 && this.#last === undefined && this.#mayReadOn()) {
      try {
        return Promise.resolve({ done: false, value: this.#readFrom(source) })
      } catch (error) {
        this.#stop()
        return Promise.reject(error)
      }
    }
    const advance = (): Promise<IteratorResult<R, undefined>> => this.#advance()
    this.#calls++
    const result = this.#last === undefined ? this.#advance() : this.#last.then(advance, advance)
    // It may be answered already.
    if (this.#calls > 0) this.#last = result
    return result
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#stop()
    return Promise.resolve(done)
  }

  #mayReadOn(): boolean {
    return ++this.#reads % betweenLooks !== 0 && this.#failure === undefined && this.#host.mayRead(this)
  }

  async #advance(): Promise<IteratorResult<R, undefined>> {
    const host = this.#host
    try {
      while (host.isCurrent(this)) {
        if (performance.now() > this.#until) {
          await host.turn()
          this.#until = performance.now() + host.turnTime
          if (!host.isCurrent(this)) break
        }
        const source = host.mayRead(this) ? host.nextReady() : undefined
        if (source !== undefined) return { done: false, value: this.#readFrom(source) }
        await this.#wait()
        this.#until = performance.now() + host.turnTime
      }
      const ended = this.#error
      this.#error = undefined
      if (ended !== undefined) throw ended.error
      return done
    } catch (error) {
      // An error ends an iteration, as it ends a generator.
      this.#stop()
      throw error
    } finally {
      if (--this.#calls === 0) this.#last = undefined
    }
  }

  async #wait(): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#host.waitingChanged()
    await woken
    this.#wake = undefined
    this.#host.waitingChanged()
  }

  #readFrom(source: RecordSource): R {
    const failure = this.#failure
    if (failure !== undefined) {
      failure.source.read(skip, 1)
      throw failure.error
    }
    this.#source = source
    const left = source.left
    const value = this.#read(source, this.#failNext)
    if (source.left === left) this.#host.expectSlab(source)
    if (source.left === 0) this.#host.toEnd(source)
    return value
  }

  #stop(): void {
    if (this.#host.isCurrent(this)) this.#host.stop()
  }
}

const skip: DrainCallback = () => {}
