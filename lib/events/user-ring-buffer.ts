import type { UserRingBufferHandle } from '../../types/binding.js'
import { isBytes } from '../btf/bytes.js'
import { type Codec, expectCodec } from '../btf/codec.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { type BpfMap, expectMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'

export interface UserRingBufferOptions<T = unknown> {
  /** Makes bytes of the samples; without it they are given as bytes. */
  codec?: Codec<T>
}

/** A program that drains with BPF_RB_NO_WAKEUP tells nobody of room. */
const lookMs = 250

/** Reservations that nobody knows any more would block the program for ever. */
const forgotten = new FinalizationRegistry<() => void>((discard) => discard())

interface Waiting {
  bytes: Uint8Array
  resolve: () => void
  reject: (error: unknown) => void
}

/**
 * The producer of a user ring buffer: from here to a BPF program, which takes the samples with `bpf_user_ringbuf_drain`. (Linux 6.1)
 *
 * A map has one producer at a time: two, in threads or processes, would write over each other's samples.
 */
export class UserRingBuffer<T = Uint8Array> implements Disposable {
  readonly #handle: UserRingBufferHandle
  readonly #name: string
  readonly #codec: Codec<T> | undefined
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>()
  #timer: NodeJS.Timeout | undefined

  /** @param map - a map of type user_ringbuf, after load; (`user_ring_buffer__new`) */
  constructor(map: BpfMap<unknown, unknown>, options: UserRingBufferOptions<T> = {}) {
    this.#name = expectMap(map).name
    if (options.codec !== undefined) expectCodec('codec', options.codec, ['encodeBytes'])
    this.#codec = options.codec
    map.fd
    this.#handle = this.#do('open', () => native.userRingBufferNew(mapHandles.of(map)))
  }

  /**
   * Puts a sample into the ring. (`user_ring_buffer__reserve`, `user_ring_buffer__submit`)
   *
   * @returns false when the ring is full, or samples of {@link submitWhenRoom} wait for room: it does not overtake these
   * @throws BpfError E2BIG when the sample is longer than the ring
   */
  submit(sample: T): boolean {
    const bytes = this.#encode(sample)
    return this.#waiting.size === 0 && this.#submit(bytes)
  }

  /**
   * Puts a sample into the ring, and waits for room where there is none, behind those that wait already. The program says when it has
   * taken samples; of one that does so with BPF_RB_NO_WAKEUP, room is looked for four times a second. Waiting keeps the process alive.
   *
   * @param options - `signal` ends the waiting with its reason
   * @throws BpfError ERR_BPF_CLOSED when the ring is closed meanwhile
   */
  async submitWhenRoom(sample: T, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const encoded = this.#encode(sample)
    signal?.throwIfAborted()
    if (this.#waiting.size === 0 && this.#submit(encoded)) return
    // The caller's bytes may be something else by the time.
    const bytes = encoded.slice()
    let abort = (): void => {}
    try {
      await new Promise<void>((resolve, reject) => {
        const waiting = { bytes, resolve, reject }
        abort = () => {
          this.#waiting.delete(waiting)
          reject(signal!.reason)
          // The next one may be shorter.
          this.#serve()
        }
        signal?.addEventListener('abort', abort)
        if (this.#timer === undefined) this.#watch()
        this.#waiting.add(waiting)
      })
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /**
   * A place in the ring, to be filled and then submitted or discarded; before samples that wait in {@link submitWhenRoom}. Until that the program gets no further than to it, whatever was submitted after.
   * (`user_ring_buffer__reserve`)
   *
   * @param size - bytes; that of the type by default
   * @returns undefined when the ring is full
   * @throws BpfError E2BIG when it is longer than the ring
   */
  reserve(size: number | undefined = this.#codec?.size): Reservation<T> | undefined {
    if (!Number.isInteger(size)) throw new TypeError('size is not a whole number of bytes')
    const bytes = size as number
    if (bytes < 0 || bytes > 0xffffffff) throw new RangeError('size is not between 0 and 4294967295 bytes')
    const place = this.#do('reserve', () => native.userRingBufferReserve(this.#handle, bytes))
    return place === undefined
      ? undefined
      : new PlaceReservation(this.#handle, this.#name, place, bytes, this.#codec)
  }

  /**
   * Samples that were submitted stay for the program, reservations are discarded. Closing twice is fine.
   * (`user_ring_buffer__free`)
   */
  close(): void {
    native.userRingBufferClose(this.#handle)
    clearInterval(this.#timer)
    this.#timer = undefined
    const error = new BpfError(`user ring buffer '${this.#name}': submit: it is closed`, {
      code: 'ERR_BPF_CLOSED',
      map: this.#name,
    })
    for (const { reject } of this.#waiting) reject(error)
    this.#waiting.clear()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #submit(bytes: Uint8Array): boolean {
    return this.#do('submit', () => native.userRingBufferSubmit(this.#handle, bytes))
  }

  #watch(): void {
    this.#do('wait for room', () => native.userRingBufferWatch(this.#handle, () => this.#serve()))
    this.#timer = setInterval(() => this.#serve(), lookMs).unref()
  }

  /** Submits what was waiting for room, the first first. */
  #serve(): void {
    for (const waiting of this.#waiting) {
      try {
        if (!this.#submit(waiting.bytes)) return
        waiting.resolve()
      } catch (error) {
        waiting.reject(error)
      }
      this.#waiting.delete(waiting)
    }
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    native.userRingBufferWatch(this.#handle, undefined)
  }

  #encode(sample: T): Uint8Array {
    if (this.#codec !== undefined) return this.#codec.encodeBytes(sample)
    if (!isBytes(sample)) throw new TypeError('sample is not a Uint8Array')
    return sample
  }

  #do<R>(what: string, call: () => R): R {
    return attempt({ what: `user ring buffer '${this.#name}': ${what}`, map: this.#name }, call)
  }
}

/**
 * A place in a user ring buffer, of {@link UserRingBuffer.reserve}. One that is forgotten is discarded when it is garbage collected, which may be
 * late: the program waits for it.
 */
export interface Reservation<T = Uint8Array> extends Disposable {
  /** What will be copied into the ring; zeros at first. */
  readonly bytes: Uint8Array
  /**
   * Encodes a value into `bytes`, or copies bytes where the ring has no type. What it does not cover becomes 0.
   *
   * @throws RangeError when it is longer than what was reserved
   */
  write(value: T): this
  /**
   * (`user_ring_buffer__submit`)
   *
   * @throws BpfError ERR_BPF_STATE when it was submitted or discarded before
   */
  submit(): void
  /** As {@link submit}, but the program gets nothing. (`user_ring_buffer__discard`) */
  discard(): void
  /** Discards it, unless it was submitted. */
  [Symbol.dispose](): void
}

class PlaceReservation<T> implements Reservation<T> {
  readonly bytes: Uint8Array
  readonly #handle: UserRingBufferHandle
  readonly #map: string
  readonly #place: number
  readonly #codec: Codec<T> | undefined

  constructor(
    handle: UserRingBufferHandle,
    map: string,
    place: number,
    size: number,
    codec: Codec<T> | undefined,
  ) {
    this.#handle = handle
    this.#map = map
    this.#place = place
    this.#codec = codec
    forgotten.register(this, () => discard(handle, place), this)
    try {
      this.bytes = new Uint8Array(size)
    } catch (error) {
      // No memory for it.
      discard(handle, place)
      throw error
    }
  }

  write(value: T): this {
    const { bytes } = this
    if (this.#codec === undefined && !isBytes(value)) {
      throw new TypeError('value is not a Uint8Array')
    }
    const encoded = this.#codec?.encodeBytes(value) ?? (value as Uint8Array)
    if (encoded.length > bytes.length) {
      throw new RangeError(
        `value has ${encoded.length} bytes, more than the ${bytes.length} that were reserved`,
      )
    }
    bytes.set(encoded)
    bytes.fill(0, encoded.length)
    return this
  }

  submit(): void {
    this.#end('submit', () => native.userRingBufferCommit(this.#handle, this.#place, this.bytes))
  }

  discard(): void {
    this.#end('discard', () => native.userRingBufferDiscard(this.#handle, this.#place))
  }

  [Symbol.dispose](): void {
    discard(this.#handle, this.#place)
  }

  #end(verb: string, call: () => boolean): void {
    const what = `user ring buffer '${this.#map}': ${verb} a reservation`
    if (!attempt({ what, map: this.#map, arguments: ['ring', 'place', 'bytes'] }, call)) {
      throw new BpfError(`${what}: it was submitted or discarded before`, {
        code: 'ERR_BPF_STATE',
        map: this.#map,
      })
    }
    forgotten.unregister(this)
  }
}

/** Whatever became of it and of the ring. */
function discard(handle: UserRingBufferHandle, place: number): void {
  try {
    native.userRingBufferDiscard(handle, place)
  } catch {
    // The ring is closed, which has discarded it.
  }
}
