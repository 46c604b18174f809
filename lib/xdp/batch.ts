import { BpfError } from '../errors/errors.js'
import { littleEndian } from '../machine/byte-order.js'
import type { XdpMemory } from './memory.js'
import { expectTxMetadata, txMetadataSize, writeTxMetadata, type XdpTxMetadata } from './tx-metadata.js'

const decisions = { drop: 0, keep: 1, send: 2, sendWithMetadata: 3, sendAndTellTime: 4 } as const
const continues = 1

/**
 * Received frames, in place: frame `i` is at `offsets[i]` of the memory and has `lengths[i]` bytes. You decide about
 * each one with {@link send} or {@link keep}; those that you do not decide about are dropped. It is always the same
 * object, and it is only valid inside of the callback.
 */
export class XdpBatch {
  /** All of the memory, in which the frames are. */
  readonly view: DataView
  /** The same memory. */
  readonly bytes: Uint8Array
  /** Where each frame begins. Elements from {@link length} on mean nothing. */
  readonly offsets: Uint32Array
  /** How many bytes each frame has. Elements from {@link length} on mean nothing. */
  readonly lengths: Uint32Array
  readonly #frameSize: number
  readonly #reserved: number
  readonly #decisions: Uint8Array
  readonly #flags: Uint8Array
  readonly #stamped: boolean
  readonly #memory: XdpMemory
  /** Whom to tell when frames of this batch were sent, if anyone. */
  #times: Map<number, (time: bigint) => void> | undefined
  #length = 0

  /** @internal */
  constructor(memory: XdpMemory, shared: Uint8Array, stamped: boolean) {
    this.#stamped = stamped
    this.#memory = memory
    const { buffer } = shared
    const most = shared.length / XdpBatch.bytesPerFrame
    this.view = memory.view
    this.bytes = memory.bytes
    this.#frameSize = memory.frameSize
    this.#reserved = memory.txMetadata ? txMetadataSize : 0
    this.offsets = new Uint32Array(buffer, 0, most)
    this.lengths = new Uint32Array(buffer, 4 * most, most)
    this.#decisions = new Uint8Array(buffer, 8 * most, most)
    this.#flags = new Uint8Array(buffer, 9 * most, most)
  }

  /** @internal */
  static readonly bytesPerFrame = 10

  /** How many frames there are. */
  get length(): number {
    return this.#length
  }

  /** @internal */
  set length(count: number) {
    this.#length = count
  }

  /**
   * Sends a frame out of the interface that it came from, after the callback. If there is no room in the tx ring, it is
   * dropped, see `stats.txRingFull`.
   *
   * @param length - how many bytes to send; by default as many as were received
   * @param offset - where they begin; by default where the received bytes begin. There are at least 256 bytes before
   *   them in the frame, for further headers.
   * @param metadata - what the kernel or the device does with the packet, see {@link XdpTxMetadata}; it takes the 24
   *   bytes before the packet (Linux 6.11)
   * @throws RangeError if there is no such frame, or the bytes are not in it; or if there is metadata, and the frame
   *   continues a packet
   * @throws BpfError ERR_BPF_STATE if there is metadata, and the memory has no `txMetadata`
   */
  send(i: number, length?: number, offset?: number, metadata?: XdpTxMetadata): void {
    this.#expect(i)
    if (metadata !== undefined) this.#expectMetadata(i, length, metadata)
    if (length !== undefined || offset !== undefined) {
      const from = offset ?? this.offsets[i]!
      const count = length ?? this.lengths[i]!
      const start = this.offsets[i]! - (this.offsets[i]! % this.#frameSize)
      const first = start + this.#reserved
      if (!Number.isInteger(from) || !Number.isInteger(count))
        throw new TypeError('length or offset is not a whole number of bytes')
      if (count < 1 || from < first || from + count > start + this.#frameSize)
        throw new RangeError(
          `${count} bytes from ${from} on are not in the frame from ${first} to ${start + this.#frameSize}`,
        )
      this.offsets[i] = from
      this.lengths[i] = count
    }
    this.#decisions[i] = decisions.send
    if (metadata === undefined) return
    writeTxMetadata(this.view, this.offsets[i]!, metadata)
    const { txTimestamp } = metadata
    this.#decisions[i] = txTimestamp ? decisions.sendAndTellTime : decisions.sendWithMetadata
    if (!txTimestamp) return
    this.#times ??= new Map()
    this.#times.set(i, txTimestamp)
  }

  /**
   * Keeps a frame: it is yours after the callback, until you send or release it. The kernel receives into fewer frames
   * meanwhile; if you keep all of them, nothing arrives any more.
   *
   * @returns the offset by which the socket's `release` and `sendFrame` know it
   * @throws RangeError if there is no such frame
   */
  keep(i: number): number {
    this.#expect(i)
    this.#decisions[i] = decisions.keep
    return this.offsets[i]!
  }

  /** Drops a frame, which is what happens without a decision. @throws RangeError if there is no such frame */
  drop(i: number): void {
    this.#expect(i)
    this.#decisions[i] = decisions.drop
  }

  /**
   * Ends the batch. Returns the callbacks for frames that are sent and whose time someone wants to know, with the offsets
   * of the frames. @internal
   */
  end(): [offset: number, callback: (time: bigint) => void][] | undefined {
    this.#length = 0
    if (this.#times === undefined) return undefined
    // The last decision counts.
    const asked = [...this.#times].filter(([i]) => this.#decisions[i] === decisions.sendAndTellTime)
    this.#times = undefined
    return asked.map(([i, callback]) => [this.offsets[i]!, callback])
  }

  /**
   * Whether the packet goes on in the next frame, which only happens with the option `multiBuffer`. What you decide about
   * its first frame counts for all of them.
   */
  continues(i: number): boolean {
    this.#expect(i)
    return (this.#flags[i]! & continues) !== 0
  }

  /**
   * When a packet arrived, in nanoseconds. Requires the option `timestamps`, and the packet's first frame. 0 if the
   * device has no time, or its driver has no room for it. Read it before you send the frame from another offset.
   *
   * @throws BpfError ERR_BPF_STATE without that option
   */
  timestamp(i: number): bigint {
    this.#expect(i)
    if (!this.#stamped)
      throw new BpfError(
        'there are no timestamps: open the socket or the redirect with the option timestamps',
        {
          code: 'ERR_BPF_STATE',
        },
      )
    return this.view.getBigUint64(this.offsets[i]! - 8, littleEndian)
  }

  /** The bytes of a frame in place, valid as long as you have the frame. Costs more than reading from `view`. */
  frame(i: number): Uint8Array {
    this.#expect(i)
    const from = this.offsets[i]!
    return this.bytes.subarray(from, from + this.lengths[i]!)
  }

  /** Copies of all packets; the frames of one packet are joined. */
  copy(): Uint8Array[] {
    const { offsets, lengths, length } = this
    let size = 0
    for (let i = 0; i < length; i++) size += lengths[i]!
    // One array for all of them: allocating is what costs.
    const all = new Uint8Array(size)
    const packets: Uint8Array[] = []
    let start = 0
    let end = 0
    for (let i = 0; i < length; i++) {
      const from = offsets[i]!
      all.set(this.bytes.subarray(from, from + lengths[i]!), end)
      end += lengths[i]!
      if (this.continues(i)) continue
      packets.push(all.subarray(start, end))
      start = end
    }
    return packets
  }

  #expectMetadata(i: number, length: number | undefined, metadata: XdpTxMetadata): void {
    expectTxMetadata('send', this.#memory, metadata, length ?? this.lengths[i]!)
    if (i > 0 && this.continues(i - 1))
      throw new RangeError(`frame ${i} continues a packet: metadata belongs to the first frame`)
  }

  #expect(i: number): void {
    // Also false for what is not a number.
    if (i >= 0 && i < this.#length && Number.isInteger(i)) return
    if (this.#length === 0) throw new RangeError('the batch is over: use it inside of the callback only')
    throw new RangeError(`there is no frame ${i} in a batch of ${this.#length}`)
  }
}
