import { constants } from 'node:os'
import type { NativeError } from '../../types/binding.js'
import type { Codec } from '../btf/codec.js'
import { BpfError } from '../errors/errors.js'
import { type BpfMap, expectMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { mapHandles } from '../native/handles.js'
import { whyBusy } from './one-reader.js'
import { EventReader, type EventReaderOptions } from './reader.js'
import type { RecordSource } from './record-source.js'

export interface RingBufferOptions<T = unknown> extends EventReaderOptions {
  /** Decodes the records; without it, you get copies of their bytes. */
  codec?: Codec<T>
  /** The per-CPU array in which the program counts records that did not fit, see `libbpf-node.bpf.h`. */
  lost?: BpfMap<number, bigint[]> | undefined
}

interface Ring {
  map: BpfMap<unknown, unknown>
  lost: BpfMap<number, bigint[]> | undefined
  source: RecordSource
}

/**
 * Reads ring buffer maps (Linux 5.8). {@link EventReader} explains the ways to read.
 *
 * A map has one reader at a time in a process; a second one is refused, even in another Worker. Several processes can
 * read one map if all of them use this package. Each record then goes to one of them, and you cannot choose which. If
 * another program reads the map at the same time, such as a C program with libbpf, it may get the same records again
 * and may damage the ring's positions. Reading a damaged ring ends with the error EBADMSG.
 */
export class RingBuffer<T = Uint8Array> extends EventReader<T> {
  #rings: Ring[] = []

  /**
   * @param map - a map of type `ringbuf`, after load; the reader keeps working after the map is closed
   * @throws BpfError EBUSY if the map has a reader already
   */
  constructor(map: BpfMap<unknown, unknown>, options: RingBufferOptions<T> = {}) {
    super(`ring buffer '${expectMap(map).name}'`, options)
    this.add(map, options.lost)
  }

  /** Reads one more map, with records of the same type. The maps take turns, with a batch each. */
  add(map: BpfMap<unknown, unknown>, lost?: BpfMap<number, bigint[]>): this {
    const handle = mapHandles.of(expectMap(map))
    // Throws before load.
    map.fd
    const source = this.addSource((onReady) => native.ringBufferNew(handle, onReady), {
      map: map.name,
      reason: (error) => whyRefused(error, map),
    })
    this.#rings.push({ map, lost, source })
    return this
  }

  /** Stops reading a map. Records in the kernel stay there, but those of a batch that was begun are dropped. */
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
    return this
  }

  override close(): void {
    super.close()
    this.#rings = []
  }

  /** The size of the rings in bytes, summed over all maps. */
  get size(): number {
    return this.#sum((ring) => native.ringBufferSize(ring.source.handle))
  }

  /** How many bytes wait in the kernel, including a header of 8 bytes for each record. */
  get availableBytes(): number {
    return this.#sum((ring) => native.ringBufferAvailable(ring.source.handle))
  }

  /** How many bytes were consumed since the maps were created. */
  get consumerPosition(): bigint {
    return this.#sumBig((ring) => native.ringBufferConsumerPosition(ring.source.handle))
  }

  /** How many bytes were produced since the maps were created. */
  get producerPosition(): bigint {
    return this.#sumBig((ring) => native.ringBufferProducerPosition(ring.source.handle))
  }

  /**
   * How many records did not fit into the rings. The kernel does not count them, but programs that use the macros of
   * `libbpf-node.bpf.h` do. `undefined` if one of the maps has no such counter.
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

function whyRefused(error: NativeError, map: BpfMap<unknown, unknown>): string | undefined {
  return error.errno === constants.errno.EINVAL
    ? `map '${map.name}' is of type ${map.type}, not ringbuf`
    : whyBusy(error, map.name)
}
