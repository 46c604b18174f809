import type { UmemHandle } from '../../types/binding.js'
import { BpfError } from '../errors/errors.js'
import { littleEndian } from '../machine/byte-order.js'
import { native } from '../native/binding.js'

/**
 * What the kernel or the device does with a packet that is sent. The socket needs memory with `txMetadata`. Only some
 * drivers do it in zero-copy mode; in copy mode the kernel does it for all.
 */
export interface XdpTxMetadata {
  /** Fills in a checksum of all bytes of the packet from this one on. */
  csumStart?: number
  /**
   * Where the checksum is, from `csumStart` on: 6 for UDP, 16 for TCP. For these two, put the sum of the pseudo header
   * there before you send the packet.
   */
  csumOffset?: number
  /**
   * Is called with the time at which the packet was sent, in nanoseconds: in copy mode on CLOCK_TAI, which is ahead of
   * `Date.now()` by the leap seconds if the machine knows them, in zero-copy mode on the clock of the device. 0n if
   * there is no such time, the packet found no room in the tx ring, or the socket was closed before.
   */
  txTimestamp?: (time: bigint) => void
}

/** What `struct xsk_tx_metadata` takes in front of a packet. */
export const txMetadataSize = 24

/** XDP_TXMD_FLAGS_*. */
const wants = { timestamp: 1, checksum: 2 } as const

/** What xskSend is told. */
export const sendFlags = { metadata: 1, stamped: 2 } as const

/** Throws for anything that the kernel would refuse, together with all packets after it. */
export function expectTxMetadata(
  what: string,
  memory: { readonly txMetadata: boolean },
  metadata: XdpTxMetadata,
  length: number,
): void {
  if (!memory.txMetadata)
    throw new BpfError(`${what}: the memory has no room for metadata: use the option txMetadata`, {
      code: 'ERR_BPF_STATE',
    })
  const { csumStart, csumOffset, txTimestamp } = metadata
  if (txTimestamp !== undefined && typeof txTimestamp !== 'function')
    throw new TypeError('txTimestamp is not a function')
  if (csumStart === undefined && csumOffset === undefined) return
  if (!isUint16(csumStart) || !isUint16(csumOffset))
    throw new TypeError('csumStart and csumOffset are not both whole numbers from 0 to 65535')
  if (csumStart + csumOffset + 2 > length)
    throw new RangeError(
      `the checksum at ${csumStart} + ${csumOffset} is not in the packet of ${length} bytes`,
    )
}

/** Writes `struct xsk_tx_metadata` in front of the packet at `offset`. */
export function writeTxMetadata(view: DataView, offset: number, metadata: XdpTxMetadata): void {
  const { csumStart, csumOffset, txTimestamp } = metadata
  const at = offset - txMetadataSize
  const flags = (txTimestamp ? wants.timestamp : 0) | (csumStart === undefined ? 0 : wants.checksum)
  view.setBigUint64(at, BigInt(flags), littleEndian)
  view.setBigUint64(at + 8, 0n, littleEndian)
  view.setBigUint64(at + 16, 0n, littleEndian)
  if (csumStart === undefined || csumOffset === undefined) return
  view.setUint16(at + 8, csumStart, littleEndian)
  view.setUint16(at + 10, csumOffset, littleEndian)
}

const isUint16 = (value: number | undefined): value is number =>
  Number.isInteger(value) && value! >= 0 && value! <= 0xffff

interface Waiting {
  socket: object
  /** Where the kernel writes the time, and what is there before. */
  at: number
  before: bigint
  callback: (time: bigint) => void
}

/** Frames of a memory that wait for the time at which they were sent. @internal */
export class SentFrames {
  readonly #memory: { readonly view: DataView; readonly frameSize: number }
  readonly #handle: UmemHandle
  readonly #waiting = new Map<number, Waiting>()

  constructor(memory: { readonly view: DataView; readonly frameSize: number }, handle: UmemHandle) {
    this.#memory = memory
    this.#handle = handle
  }

  /** To be called after {@link writeTxMetadata}. */
  add(socket: object, offset: number, callback: (time: bigint) => void): void {
    const at = offset - txMetadataSize + 8
    const before = this.#memory.view.getBigUint64(at, littleEndian)
    this.#waiting.set(this.#frame(offset), { socket, at, before, callback })
  }

  /** Calls back for the frames that were sent. Returns whether the socket still waits for others. */
  collect(socket: object): boolean {
    const { view } = this.#memory
    for (;;) {
      const offset = native.umemSent(this.#handle)
      if (offset === undefined) break
      const waiting = this.#take(this.#frame(offset))
      if (waiting) {
        const time = view.getBigUint64(waiting.at, littleEndian)
        tell(waiting, time === waiting.before ? 0n : time)
      }
      // The kernel may write to it from now on.
      native.umemRelease(this.#handle, offset)
    }
    for (const waiting of this.#waiting.values()) if (waiting.socket === socket) return true
    return false
  }

  /** Calls back for all frames of a socket that was closed. */
  end(socket: object): void {
    this.collect(socket)
    for (const [frame, waiting] of this.#waiting) {
      if (waiting.socket !== socket) continue
      this.#waiting.delete(frame)
      tell(waiting, 0n)
    }
  }

  #take(frame: number): Waiting | undefined {
    const waiting = this.#waiting.get(frame)
    this.#waiting.delete(frame)
    return waiting
  }

  #frame(offset: number): number {
    return Math.floor(offset / this.#memory.frameSize)
  }
}

/** What the callback throws becomes an uncaught exception. */
function tell({ callback }: Waiting, time: bigint): void {
  queueMicrotask(() => callback(time))
}
