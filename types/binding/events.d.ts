// Events: ring buffers, perf buffers and packet sockets.
import type {
  MapHandle,
  PerfRecorderHandle,
  ProgramHandle,
  SourceHandle,
  UserRingBufferHandle,
} from './handles.js'

/**
 * Called by the event loop when a source has records, or, with `ended`, when the kernel will not write any more.
 * Returns true to be called again for further records, without another call of `sourceWatch`.
 */
export type OnReady = (ended: boolean) => boolean

export interface EventsBinding {
  // ---- event sources: binding/event_source.cc

  /**
   * Sets the memory that `sourceConsume` copies records to. It is looked up at each call; if it was detached, the call
   * throws and does nothing else.
   */
  sourceSetSlab(source: SourceHandle, slab: Uint8Array): void
  /**
   * Copies at most `limit` records to the slab, each behind a header of 8 bytes (a u32 with its length in the machine's
   * byte order, and 4 unused bytes), padded to a multiple of 8 bytes. Returns how many. A negative result -n says that
   * the next record needs a slab of n bytes.
   */
  sourceConsume(source: SourceHandle, limit: number): number
  /**
   * Makes the event loop call `onReady` once, when there are records. Without an interval, that is when the kernel
   * wakes the reader; with one, the event loop looks every `intervalMs` milliseconds, and, if `wakeable`, also when the
   * kernel wakes the reader. The source holds `onReady` weakly and does not keep the process alive.
   */
  sourceWatch(source: SourceHandle, intervalMs: number, wakeable: boolean): void
  /** Undoes `sourceWatch`. */
  sourceStop(source: SourceHandle): void
  /** Can be called more than once, and from inside of `onReady`. */
  sourceClose(source: SourceHandle): void

  // ---- ring buffer: binding/ring_buffer.cc

  /**
   * Opens a reader of a BPF_MAP_TYPE_RINGBUF. It owns a copy of the descriptor, so it outlives the map's object. Throws
   * EBUSY if the map already has a reader in any thread of this process.
   */
  ringBufferNew(map: MapHandle, onReady: OnReady): SourceHandle
  /** Bytes between the consumer's and the producer's position, including headers and padding. */
  ringBufferAvailable(ring: SourceHandle): number
  /** Bytes of the ring. */
  ringBufferSize(ring: SourceHandle): number
  ringBufferConsumerPosition(ring: SourceHandle): bigint
  ringBufferProducerPosition(ring: SourceHandle): bigint

  // ---- perf buffer: binding/perf_buffer.cc

  /**
   * Opens one CPU's buffer of a BPF_MAP_TYPE_PERF_EVENT_ARRAY, with `pages` (a power of two) pages. The kernel wakes
   * the reader every `wakeupEvents` records or, if `watermark` is not 0, every `watermark` bytes. Throws EBUSY if it
   * has a reader in this process already.
   */
  perfBufferNew(
    map: MapHandle,
    cpu: number,
    pages: number,
    wakeupEvents: number,
    watermark: number,
    onReady: OnReady,
  ): SourceHandle
  /** How many records the kernel had no room for, as far as it has reported them. */
  perfBufferLost(buffer: SourceHandle): bigint
  /** Bytes that were not consumed, including headers and padding. */
  perfBufferAvailable(buffer: SourceHandle): number
  /** Bytes of the buffer. */
  perfBufferSize(buffer: SourceHandle): number
  /** For how many nanoseconds the kernel had the buffer on its CPU. This stops for good when the CPU goes offline. */
  perfBufferTime(buffer: SourceHandle): bigint

  /**
   * Opens one CPU's buffer in which the kernel overwrites the oldest records (`write_backward`), with `pages` (a power
   * of two) pages. Throws EBUSY like `perfBufferNew`.
   */
  perfRecorderNew(map: MapHandle, cpu: number, pages: number): PerfRecorderHandle
  /** PERF_EVENT_IOC_PAUSE_OUTPUT: until it is undone, programs get ENOSPC. */
  perfRecorderPause(recorder: PerfRecorderHandle, on: boolean): void
  /**
   * The records, oldest first, laid out as in a slab of `sourceConsume`. They are only consistent while the recorder is
   * paused.
   */
  perfRecorderRecords(recorder: PerfRecorderHandle): Uint8Array
  /** Like `perfBufferTime`. */
  perfRecorderTime(recorder: PerfRecorderHandle): bigint
  /** Can be called more than once. */
  perfRecorderClose(recorder: PerfRecorderHandle): void

  // ---- packet socket: binding/packet_socket.cc

  /**
   * Opens a socket that receives the packets of an interface, or of all of them with an `ifindex` of 0, through a ring of
   * `blocks` blocks of `blockSize` bytes, a multiple of a page. A block that is not full is handed over after
   * `blockTimeout` milliseconds. The filter says how many bytes of each packet are kept, and 0 for none. Each record begins
   * with the 32 bytes of the struct Header.
   */
  packetSocketNew(
    ifindex: number,
    blockSize: number,
    blocks: number,
    blockTimeout: number,
    promiscuous: boolean,
    outgoing: boolean,
    filter: ProgramHandle | undefined,
    onReady: OnReady,
  ): SourceHandle
  /** How many packets have passed the filter, and how many of these found no room. (PACKET_STATISTICS) */
  packetSocketStatistics(socket: SourceHandle): BigUint64Array
  /** Bytes of the ring. */
  packetSocketSize(socket: SourceHandle): number

  // ---- user ring buffer: binding/user_ring_buffer.cc

  /** Opens the producer of a BPF_MAP_TYPE_USER_RINGBUF. It owns a copy of the descriptor. */
  userRingBufferNew(map: MapHandle): UserRingBufferHandle
  /**
   * Reserves, copies and submits. Returns false if the ring is full; throws E2BIG if the sample is longer than the
   * ring.
   */
  userRingBufferSubmit(ring: UserRingBufferHandle, sample: Uint8Array): boolean
  /**
   * Returns the number of a place for `size` bytes, which has to be committed or discarded; undefined if the ring is
   * full. The program cannot read past the place until then.
   */
  userRingBufferReserve(ring: UserRingBufferHandle, size: number): number | undefined
  /**
   * Copies the bytes, as many as were reserved, and submits them. Returns false if the place was committed or discarded
   * before.
   */
  userRingBufferCommit(ring: UserRingBufferHandle, place: number, sample: Uint8Array): boolean
  /** Returns false if the place was committed or discarded before. */
  userRingBufferDiscard(ring: UserRingBufferHandle, place: number): boolean
  /**
   * Calls `onRoom` each time the program has read samples and woken the producer; undefined ends that. Until then, the
   * process stays alive.
   */
  userRingBufferWatch(ring: UserRingBufferHandle, onRoom: (() => void) | undefined): void
  /** Discards all reservations. Can be called more than once. */
  userRingBufferClose(ring: UserRingBufferHandle): void
}
