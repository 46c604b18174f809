import { setImmediate } from 'node:timers'
import type { BpfError } from '../errors/errors.js'
import type { Iteration } from '../events/iteration.js'

/** How many milliseconds of a turn of the event loop may be spent on packets. */
export const turnTime = 10

/** What reads a socket. */
export interface Reader {
  /** There may be packets. */
  wake(): void
  /** Reading has ended, with an error unless the user ended it. */
  end(error?: BpfError): void
}

/** What an iteration needs from its socket. */
export interface PacketHost {
  /** Whether the iteration has not been stopped. */
  isCurrent(iteration: object): boolean
  /** Copies of the packets that are there. */
  read(): Uint8Array[]
  /** Starts or stops calling {@link Reader.wake}. */
  wait(on: boolean): void
  stop(): void
}

/** Reads only when the next packets are asked for. Calls of next() are answered in order. */
export class PacketIteration implements Iteration<Uint8Array[]>, Reader {
  readonly #host: PacketHost
  #last: Promise<unknown> = Promise.resolve()
  #wake: (() => void) | undefined
  #error: { error: unknown } | undefined
  #until = performance.now() + turnTime

  constructor(host: PacketHost) {
    this.#host = host
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  wake(): void {
    this.#wake?.()
  }

  end(error?: BpfError): void {
    if (error !== undefined) this.#error = { error }
    this.wake()
  }

  next(): Promise<IteratorResult<Uint8Array[], undefined>> {
    const advance = () => this.#advance()
    const result = this.#last.then(advance, advance)
    this.#last = result
    return result
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#stop()
    return Promise.resolve({ done: true, value: undefined })
  }

  async #advance(): Promise<IteratorResult<Uint8Array[], undefined>> {
    const host = this.#host
    try {
      while (host.isCurrent(this)) {
        // The event loop does not run while only settled Promises are awaited.
        if (performance.now() > this.#until) {
          await new Promise((resolve) => setImmediate(resolve))
          this.#until = performance.now() + turnTime
          continue
        }
        const packets = host.read()
        if (packets.length > 0) return { done: false, value: packets }
        const woken = new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        host.wait(true)
        await woken
        this.#wake = undefined
        if (host.isCurrent(this)) host.wait(false)
        this.#until = performance.now() + turnTime
      }
    } catch (error) {
      this.#stop()
      throw error
    }
    const ended = this.#error
    this.#error = undefined
    if (ended !== undefined) throw ended.error
    return { done: true, value: undefined }
  }

  #stop(): void {
    if (this.#host.isCurrent(this)) this.#host.stop()
  }
}
