import type { Codec } from '../btf/codec.js'
import { BpfError } from '../errors/errors.js'
import { type BpfMap, expectMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'
import { beginToConsume, endToConsume, expectNoConsumer } from './one-consumer.js'
import { EventReader, type EventReaderOptions } from './reader.js'
import type { EventSource } from './record-source.js'

export interface RingBufferOptions<T = unknown> extends EventReaderOptions {
  /** Makes values of the records; without it they are copies of their bytes. */
  codec?: Codec<T>
  /** The per-CPU array in which the program counts what it had no room for, see `libbpf-node.bpf.h`. */
  lost?: BpfMap<number, bigint[]> | undefined
}

interface Ring {
  id: number
  map: BpfMap<unknown, unknown>
  lost: BpfMap<number, bigint[]> | undefined
  source: EventSource
}

/**
 * A consumer of ring buffer maps (Linux 5.8). How to read it, see {@link EventReader}.
 *
 * A map has one consumer at a time: a second one in this thread is refused; those in other threads and processes take records from each other.
 */
export class RingBuffer<T = Uint8Array> extends EventReader<T> {
  #rings: Ring[] = []

  /** @param map - a map of type ringbuf, after load; the ring works on when the map is closed */
  constructor(map: BpfMap<unknown, unknown>, options: RingBufferOptions<T> = {}) {
    super(`ring buffer '${expectMap(map).name}'`, options)
    this.add(map, options.lost)
  }

  /** Reads one more map, whose records are of the same type. All are read in turn, a batch each. */
  add(map: BpfMap<unknown, unknown>, lost?: BpfMap<number, bigint[]>): this {
    const id = expectNoConsumer('ring buffer', expectMap(map))
    const source = this.addSource((onBatch) => native.ringBufferNew(mapHandles.of(map), onBatch))
    this.#rings.push({ id, map, lost, source })
    beginToConsume(id, source.handle)
    return this
  }

  /** Reads a map no more. What was not read stays in the kernel's ring, but for what the current batch holds of it. */
  remove(map: BpfMap<unknown, unknown>): this {
    const ring = this.#rings.find((one) => one.map === map)
    if (ring === undefined) {
      throw new BpfError(`map '${map.name}' is not read by this ring buffer`, {
        code: 'ERR_BPF_NOT_FOUND',
        map: map.name,
      })
    }
    this.#rings = this.#rings.filter((one) => one !== ring)
    this.removeSource(ring.source)
    endToConsume(ring.id, ring.source.handle)
    return this
  }

  override close(): void {
    super.close()
    for (const { id, source } of this.#rings) endToConsume(id, source.handle)
    this.#rings = []
  }

  /** Bytes, of all its maps together. (`ring__size`) */
  get size(): number {
    return this.#sum((ring) => native.ringBufferSize(ring.source.handle))
  }

  /** Bytes in the kernel that were not consumed, with 8 for the header of each record. (`ring__avail_data_size`) */
  get availableBytes(): number {
    return this.#sum((ring) => native.ringBufferAvailable(ring.source.handle))
  }

  /** Bytes that were consumed since the maps exist. (`ring__consumer_pos`) */
  get consumerPosition(): bigint {
    return this.#sumBig((ring) => native.ringBufferConsumerPosition(ring.source.handle))
  }

  /** Bytes that were produced since the maps exist. (`ring__producer_pos`) */
  get producerPosition(): bigint {
    return this.#sumBig((ring) => native.ringBufferProducerPosition(ring.source.handle))
  }

  /**
   * Records that the programs had no room for. The kernel does not count them: programs do that with the macros of `libbpf-node.bpf.h`;
   * `undefined` without.
   */
  get lost(): bigint | undefined {
    if (this.#rings.some((ring) => ring.lost === undefined)) return undefined
    return this.#sumBig((ring) => (ring.lost!.get(0) ?? []).reduce((sum, lost) => sum + lost, 0n))
  }

  #sum(read: (ring: Ring) => number): number {
    this.expectOpen()
    return this.#rings.reduce((sum, ring) => sum + read(ring), 0)
  }

  #sumBig(read: (ring: Ring) => bigint): bigint {
    this.expectOpen()
    return this.#rings.reduce((sum, ring) => sum + read(ring), 0n)
  }
}
