import { setTimeout as delay } from 'node:timers/promises'
import { BpfError } from '../errors/errors.js'
import type { Iteration } from './iteration.js'
import type { PerfBuffer } from './perf-buffer.js'
import type { RingBuffer } from './ring-buffer.js'

/** Options for {@link OrderedEvents}. */
export interface OrderOptions<T> {
  /** The time of a record in nanoseconds: the name of a member, or a function that returns it. */
  by: (keyof T & string) | ((record: T) => bigint | number)
  /** By how many milliseconds a record may be overtaken by younger ones; 10 by default. Each record waits that long. */
  window?: number
  /**
   * How many records wait at most; 65,536 by default. If there are more, the oldest are delivered before their time.
   */
  capacity?: number
}

interface Held<T> {
  readonly key: number
  readonly sequence: number
  readonly arrived: number
  readonly record: T
}

/**
 * Reads several readers, or a perf buffer with one buffer for each CPU, in the order of time.
 *
 * Records of several CPUs and rings arrive out of order. Each one waits here until the window has passed, according to
 * the time stamps or the clock, and until no records wait in the kernel. A record that arrives after a younger one was
 * delivered comes next, and is counted as late. While an iteration runs, it reads the readers; leaving the loop stops
 * that, and the next iteration continues with the records that are waiting. You close the readers yourself.
 *
 * @example
 * const events = new OrderedEvents([obj.ringBuffer('files', 'event'), obj.ringBuffer('sockets', 'event')], { by: 'ts' })
 * for await (const event of events) console.log(event)
 */
export class OrderedEvents<T> implements AsyncIterable<T> {
  readonly #readers: readonly (RingBuffer<T> | PerfBuffer<T>)[]
  readonly #timeOf: (record: T) => bigint | number
  /** Nanoseconds. */
  readonly #window: number
  readonly #capacity: number
  /** A heap: the oldest record is the first, and each one is older than the two below it. */
  readonly #heap: Held<T>[] = []
  #ready: T[] = []
  #base: bigint | undefined
  #sequence = 0
  #newest = Number.NEGATIVE_INFINITY
  #last = Number.NEGATIVE_INFINITY
  #late = 0
  #early = 0
  #reading = 0
  #isRunning = false
  #failure: { error: unknown } | undefined
  #wake: () => void = () => undefined
  #makeRoom: (() => void)[] = []

  constructor(readers: Iterable<RingBuffer<T> | PerfBuffer<T>>, options: OrderOptions<T>) {
    const { by, window = 10, capacity = 65_536 } = options
    this.#readers = [...readers]
    if (this.#readers.length === 0) throw new TypeError('readers is empty')
    if (typeof by !== 'string' && typeof by !== 'function')
      throw new TypeError('by is neither the name of a member nor a function')
    if (!(window >= 0 && window <= 60_000))
      throw new RangeError('window is not a number of milliseconds up to 60,000')
    if (!Number.isInteger(capacity) || capacity < 1)
      throw new RangeError('capacity is not a positive integer')
    this.#timeOf = typeof by === 'function' ? by : (record) => record[by] as bigint | number
    this.#window = window * 1e6
    this.#capacity = capacity
  }

  /** How many records came after a younger one had been delivered: a larger window would have put them in order. */
  get late(): number {
    return this.#late
  }

  /** How many records were delivered before their time, because more than the capacity waited. */
  get early(): number {
    return this.#early
  }

  /** How many records wait. */
  get waiting(): number {
    return this.#heap.length + this.#ready.length
  }

  /** @throws BpfError ERR_BPF_BUSY if another iteration runs, or something else reads one of the readers */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, undefined> {
    if (this.#isRunning)
      throw new BpfError('the events are being read in order already', { code: 'ERR_BPF_BUSY' })
    this.#isRunning = true
    this.#failure = undefined
    const iterations: Iteration<T[]>[] = []
    try {
      for (const reader of this.#readers) iterations.push(reader.batches())
      for (const iteration of iterations) void this.#read(iteration)
      for (;;) {
        this.#release()
        while (this.#ready.length > 0) {
          const ready = this.#ready
          this.#ready = []
          for (let i = 0; i < ready.length; i++) {
            let isTaken = false
            try {
              yield ready[i]!
              isTaken = true
            } finally {
              // The loop was left: the rest waits for the next one.
              if (!isTaken) this.#ready = ready.slice(i + 1).concat(this.#ready)
            }
          }
        }
        this.#giveRoom()
        this.#throwFailure()
        if (this.#reading === 0 && this.#heap.length === 0) return undefined
        await this.#somethingNew()
      }
    } finally {
      this.#isRunning = false
      this.#giveRoom()
      await Promise.all(iterations.map((iteration) => iteration.return?.()))
    }
  }

  async #read(iteration: AsyncIterable<T[]>): Promise<void> {
    this.#reading++
    try {
      for await (const batch of iteration) {
        const arrived = performance.now()
        for (const record of batch) this.#add(record, arrived)
        this.#wake()
        if (this.waiting >= 2 * this.#capacity && this.#isRunning)
          await new Promise<void>((resolve) => this.#makeRoom.push(resolve))
      }
    } catch (error) {
      this.#failure ??= { error }
    } finally {
      this.#reading--
      this.#wake()
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  #giveRoom(): void {
    for (const resolve of this.#makeRoom) resolve()
    this.#makeRoom = []
  }

  /** Waits for more records, or until the oldest one has waited long enough. */
  async #somethingNew(): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    const [oldest] = this.#heap
    if (oldest === undefined) return woken
    const timer = new AbortController()
    const rest = oldest.arrived + this.#window / 1e6 - performance.now()
    const time = delay(Math.max(rest, 1), undefined, { signal: timer.signal }).catch(() => undefined)
    await Promise.race([woken, time])
    timer.abort()
  }

  #keyOf(record: T): number {
    const time = this.#timeOf(record)
    if (typeof time !== 'bigint' && !Number.isFinite(time))
      throw new TypeError(`the time of a record is not a number: ${String(time)}`)
    this.#base ??= BigInt(time)
    // Differences fit a number where the times do not.
    return typeof time === 'bigint' ? Number(time - this.#base) : time - Number(this.#base)
  }

  #add(record: T, arrived: number): void {
    const held = { key: this.#keyOf(record), sequence: this.#sequence++, arrived, record }
    this.#newest = Math.max(this.#newest, held.key)
    const heap = this.#heap
    let i = heap.length
    for (let above = (i - 1) >> 1; i > 0 && isOlder(held, heap[above]!); above = (i - 1) >> 1) {
      heap[i] = heap[above]!
      i = above
    }
    heap[i] = held
  }

  /** Moves the records whose time has come. */
  #release(): void {
    const isOver = this.#reading === 0
    const isDrained = isOver || this.#readers.every(isEmpty)
    const now = performance.now()
    const isDue = ({ key, arrived }: Held<T>): boolean =>
      isOver || this.#newest - key >= this.#window || now - arrived >= this.#window / 1e6
    for (let oldest = this.#heap[0]; oldest !== undefined; oldest = this.#heap[0]) {
      const isInTime = isDrained && isDue(oldest)
      if (!isInTime && this.#heap.length <= this.#capacity) return
      if (!isInTime) this.#early++
      if (oldest.key < this.#last) this.#late++
      this.#last = Math.max(this.#last, oldest.key)
      this.#ready.push(oldest.record)
      this.#removeOldest()
    }
  }

  #removeOldest(): void {
    const heap = this.#heap
    const moved = heap.pop()!
    if (heap.length === 0) return
    let i = 0
    for (let below = 1; below < heap.length; below = 2 * i + 1) {
      const right = below + 1
      const older = right < heap.length && isOlder(heap[right]!, heap[below]!) ? right : below
      if (!isOlder(heap[older]!, moved)) break
      heap[i] = heap[older]!
      i = older
    }
    heap[i] = moved
  }
}

/** Records of the same time stay in the order in which they came. */
const isOlder = (a: Held<unknown>, b: Held<unknown>): boolean =>
  a.key < b.key || (a.key === b.key && a.sequence < b.sequence)

/** What is still in the kernel may be older than what was read. */
function isEmpty(reader: { closed: boolean; hasRecords: boolean; availableBytes: number }): boolean {
  return reader.closed || (!reader.hasRecords && reader.availableBytes === 0)
}
