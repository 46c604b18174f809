import type { UserRingBufferHandle } from '../../types/binding.js'
import { isBytes } from '../btf/bytes.js'
import { type Codec, expectCodec } from '../btf/codec.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { type BpfMap, expectMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'

export interface UserRingBufferOptions<T = unknown> {
  /** Encodes the samples; without it, you pass their bytes. */
  codec?: Codec<T>
}

/** A program that drains with BPF_RB_NO_WAKEUP does not say that there is room again. */
const lookMs = 250

/** A reservation that was forgotten would block the program forever. */
const forgotten = new FinalizationRegistry<() => void>((discard) => discard())

interface Waiting {
  bytes: Uint8Array
  resolve: () => void
  reject: (error: unknown) => void
}

/**
 * Sends samples to a BPF program through a user ring buffer map (Linux 6.1). The program reads them with
 * `bpf_user_ringbuf_drain`.
 *
 * Use one producer per map at a time. Two producers overwrite each other's samples, even if they are in different
 * threads or processes.
 */
export class UserRingBuffer<T = Uint8Array> implements Disposable {
  readonly #handle: UserRingBufferHandle
  readonly #name: string
  readonly #codec: Codec<T> | undefined
  /** Samples that wait for room, oldest first. */
  readonly #waiting = new Set<Waiting>()
  #timer: NodeJS.Timeout | undefined

  /**
   * Opens a map for writing. (`user_ring_buffer__new`)
   *
   * @param map - a map of type `user_ringbuf`, after load
   */
  constructor(map: BpfMap<unknown, unknown>, options: UserRingBufferOptions<T> = {}) {
    this.#name = expectMap(map).name
    if (options.codec !== undefined) expectCodec('codec', options.codec, ['encodeBytes'])
    this.#codec = options.codec
    map.fd
    this.#handle = this.#do('open', () => native.userRingBufferNew(mapHandles.of(map)))
  }

  /**
   * Writes a sample to the ring. (`user_ring_buffer__reserve`, `user_ring_buffer__submit`)
   *
   * @returns false if the ring is full, or if samples of {@link submitWhenRoom} are still waiting and come first
   * @throws BpfError E2BIG if the sample is longer than the ring
   */
  submit(sample: T): boolean {
    const bytes = this.#encode(sample)
    return this.#waiting.size === 0 && this.#submit(bytes)
  }

  /**
   * Writes a sample to the ring, and waits if there is no room. Samples are written in the order of the calls. The
   * kernel reports when the program has read samples, unless the program uses `BPF_RB_NO_WAKEUP`; therefore the
   * producer also looks for room four times a second. Waiting keeps the process alive.
   *
   * @param options - `signal` ends the waiting; the Promise is rejected with its reason
   * @throws BpfError E2BIG if the sample is longer than the ring, ERR_BPF_CLOSED if the ring is closed in the meantime
   */
  async submitWhenRoom(sample: T, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const encoded = this.#encode(sample)
    signal?.throwIfAborted()
    if (this.#waiting.size === 0 && this.#submit(encoded)) return
    // The caller may change the bytes while they wait.
    const bytes = encoded.slice()
    let abort = (): void => {}
    try {
      await new Promise<void>((resolve, reject) => {
        const waiting = { bytes, resolve, reject }
        abort = () => {
          this.#waiting.delete(waiting)
          reject(signal!.reason)
          // The next sample may be shorter, and fit.
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
   * Reserves a place in the ring, which you fill and then submit or discard. Until then, the program cannot read past
   * it, even if more samples were submitted. A reservation does not wait behind the samples of {@link submitWhenRoom}.
   * (`user_ring_buffer__reserve`)
   *
   * @param size - how many bytes to reserve; the size of the type by default
   * @returns undefined if the ring is full
   * @throws BpfError E2BIG if the place would be longer than the ring
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
   * Closes the producer. The program can still read samples that were submitted; reservations are discarded. You can
   * close it twice. (`user_ring_buffer__free`)
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

  /** Submits the samples that wait, as far as there is room. */
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
 * A place in a user ring buffer, see {@link UserRingBuffer.reserve}. Submit or discard it: a reservation that you drop
 * is only discarded when it is garbage-collected, and the program waits until then.
 */
export interface Reservation<T = Uint8Array> extends Disposable {
  /** The bytes that {@link submit} copies to the ring; zero at first. */
  readonly bytes: Uint8Array
  /**
   * Encodes a value into `bytes`, or copies bytes if the ring has no type. The rest is set to zero.
   *
   * @throws RangeError if the value is longer than the reservation
   */
  write(value: T): this
  /**
   * Passes the bytes to the program. (`user_ring_buffer__submit`)
   *
   * @throws BpfError ERR_BPF_STATE if the reservation was submitted or discarded before
   */
  submit(): void
  /** Gives the place back; the program sees nothing. (`user_ring_buffer__discard`) */
  discard(): void
  /** Discards the reservation, unless it was submitted. */
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
      // There is not enough memory.
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
      throw new RangeError(`value has ${encoded.length} bytes, but only ${bytes.length} were reserved`)
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

/** Discards a reservation that may have been submitted, of a ring that may be closed. */
function discard(handle: UserRingBufferHandle, place: number): void {
  try {
    native.userRingBufferDiscard(handle, place)
  } catch {
    // The ring is closed, which has discarded all reservations.
  }
}
