import type { RingBuffer } from '../events/ring-buffer.js'
import type { Code } from './kernel-text.js'
import { countsLosses, lostIn, orLost } from './losses.js'
import { plain } from './plain.js'
import { type Opened, openSession, type ProbeNames, Session, type SessionOptions } from './session.js'
import type { ProbeRecord } from './words.js'

export interface TraceOptions extends SessionOptions {
  /**
   * The size in bytes of the ring buffer where events wait; a power of two, and a multiple of the page size. 1 MiB by
   * default.
   */
  readonly bufferSize?: number
}

/** Events of probes, as they happen. */
export class Trace<T> extends Session implements AsyncIterable<T> {
  readonly #ring: RingBuffer<{ value: T }>
  readonly #isWrapped: boolean
  #isListening = false

  /** @internal */
  constructor(opened: Opened) {
    super(opened)
    this.#ring = this.object.ringBuffer('events', 'events_event')
    this.#isWrapped = opened.source.includes(wrapper)
  }

  /** How many events were lost because the buffer was full. */
  get lost(): number {
    return lostIn(this.object)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for await (const event of this.#ring) yield this.#valueOf(event)
  }

  /** Calls a function with each event, until the trace is closed. */
  on(listener: (event: T) => void): void {
    this.#isListening = true
    this.#ring.on((event) => listener(this.#valueOf(event)))
  }

  /**
   * Detaches the programs, and runs those of the probe `end`. Waiting events are still delivered to the listener of
   * `on`.
   */
  override stop(): void {
    super.stop()
    if (this.#isListening) this.#ring.consume()
  }

  #valueOf(event: { value: T }): T {
    return plain(this.#isWrapped ? event.value : event) as T
  }

  override close(): void {
    this.#ring.close()
    super.close()
  }
}

/** A record with one value that the user does not see. */
const wrapper = 'events.emit({ value: '

/** The statement that makes an event of a value. */
export const emitted = (value: string, isObject: boolean): string =>
  orLost(isObject ? `events.emit(${value})` : `${wrapper}${value} })`)

/** The ring buffer where events wait. */
export const ringNamed = (bytes: number): string => `export const events = ringbuf(${bytes})`

/**
 * Reports events: each event is what the function returns at one of the probes, unless that is `undefined` or `null`.
 *
 * The function runs in the kernel. It is compiled from its text, so it can only use what it is given, `str`, `kstr` and
 * the `constants` in the options. Close the trace to detach. (Linux 5.8)
 *
 * @param probes - for example `'tracepoint:syscalls:sys_enter_openat'`, `'kprobe:vfs_*'`
 * @throws TraceError for a probe that does not exist or a function that cannot run in the kernel
 * @throws CompileError that shows the place in the function
 *
 * @example
 * await using opens = await trace('tracepoint:syscalls:sys_enter_openat', ({ comm, args }) => ({
 *   comm,
 *   file: str(args.filename),
 * }))
 * for await (const { comm, file } of opens) console.log(comm, file)
 */
export async function trace<T>(
  probes: ProbeNames,
  code: string | ((record: ProbeRecord) => T),
  options: TraceOptions = {},
): Promise<Trace<NonNullable<T>>> {
  const { bufferSize = 1 << 20 } = options
  const opened = await openSession(
    `${ringNamed(bufferSize)}\n${countsLosses}`,
    [{ probes, body: (text) => text(code as Code).statements(emitted) }],
    options,
  )
  return new Trace<NonNullable<T>>(opened)
}
