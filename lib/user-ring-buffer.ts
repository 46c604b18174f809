import { setTimeout as delay } from 'node:timers/promises'
import type { UserRingBufferHandle } from '../types/binding.js'
import { native } from './binding.js'
import type { Codec } from './btf/codec.js'
import { attempt } from './call.js'
import { type BpfMap, handleOfMap } from './map.js'

export interface UserRingBufferOptions<T = unknown> {
  /** Makes bytes of the samples; without it they are given as bytes. */
  codec?: Codec<T>
}

/** How long to wait before looking again whether there is room, doubled each time up to the most. */
const leastWaitMs = 1
const mostWaitMs = 16

/**
 * The producer of a user ring buffer: from here to a BPF program, which takes the samples with `bpf_user_ringbuf_drain`. (Linux 6.1)
 */
export class UserRingBuffer<T = Uint8Array> implements Disposable {
  readonly #handle: UserRingBufferHandle
  readonly #name: string
  readonly #codec: Codec<T> | undefined

  /** @param map - a map of type user_ringbuf, after load; (`user_ring_buffer__new`) */
  constructor(map: BpfMap<unknown, unknown>, options: UserRingBufferOptions<T> = {}) {
    this.#name = map.name
    this.#codec = options.codec
    map.fd
    this.#handle = this.#do('open', () => native.userRingBufferNew(handleOfMap(map)))
  }

  /**
   * Puts a sample into the ring. (`user_ring_buffer__reserve`, `user_ring_buffer__submit`)
   *
   * @returns false when the ring is full
   * @throws BpfError E2BIG when the sample is longer than the ring
   */
  submit(sample: T): boolean {
    const bytes = this.#encode(sample)
    return this.#do('submit', () => native.userRingBufferSubmit(this.#handle, bytes))
  }

  /**
   * Puts a sample into the ring, and waits for room where there is none. It is looked for
   * again and again, every 1 to 16 ms.
   *
   * @param options - `signal` ends the waiting with its reason
   */
  async submitWhenRoom(sample: T, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    // The caller's bytes may be something else by the time.
    const bytes = this.#encode(sample).slice()
    for (let wait = leastWaitMs; ; wait = Math.min(2 * wait, mostWaitMs)) {
      signal?.throwIfAborted()
      if (this.#do('submit', () => native.userRingBufferSubmit(this.#handle, bytes))) return
      // When it is aborted the next round says so, with the reason.
      await delay(wait, undefined, signal === undefined ? {} : { signal }).catch(() => {})
    }
  }

  /** Samples that were submitted stay for the program. Closing twice is fine. (`user_ring_buffer__free`) */
  close(): void {
    native.userRingBufferClose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #encode(sample: T): Uint8Array {
    if (this.#codec !== undefined) return this.#codec.encodeBytes(sample)
    if (!(sample instanceof Uint8Array)) throw new TypeError('sample is not a Uint8Array')
    return sample
  }

  #do<R>(what: string, call: () => R): R {
    return attempt({ what: `user ring buffer '${this.#name}': ${what}`, map: this.#name }, call)
  }
}
