import type { UmemHandle } from '../../types/binding.js'
import { attempt } from '../errors/attempt.js'
import { BpfError } from '../errors/errors.js'
import { native } from '../native/binding.js'
import { registry } from '../native/handles.js'
import { SentFrames } from './tx-metadata.js'

export interface XdpMemoryOptions {
  /** How many frames there are; 4096 by default. */
  frames?: number
  /** Bytes of a frame: 2048, the default, or 4096. A packet of one frame must fit, together with `headroom`. */
  frameSize?: 2048 | 4096
  /**
   * Bytes that are left free before each received packet, besides the 256 that XDP programs have there; 0 by default.
   */
  headroom?: number
  /**
   * Leaves room for metadata in front of each packet that is sent, see {@link XdpTxMetadata}. A packet that you send
   * then has 24 bytes less: `take()` returns an offset after that room. (Linux 6.11)
   */
  txMetadata?: boolean
  /**
   * Makes the kernel compute the checksums that you ask for, instead of the device, in copy mode. Without it, devices
   * that only pass packets on within this machine, such as veth, may pass them on without a checksum. Costs CPU time.
   * Turns `txMetadata` on.
   */
  txSwCsum?: boolean
}

/** Where frames are. */
export interface XdpFrames {
  /** Free: they can be received into or sent. */
  free: number
  /** In the kernel, for packets that arrive, or with packets that were not read yet. */
  receiving: number
  /** In the batch that a callback is looking at. */
  inBatch: number
  /** Kept or taken by you, until you send or release them. */
  held: number
  /** On their way out. */
  sending: number
}

/** On arm64 a page may have 64 KiB. */
const largestPage = 1 << 16

/** XDP programs get this much room before a packet. */
const programHeadroom = 256

/** Flags of XDP_UMEM_REG. */
const umemFlags = { txSwCsum: 1 << 1, txMetadata: 1 << 2 } as const

export const umems = registry<UmemHandle>('memory is not an XdpMemory')

/**
 * The memory that AF_XDP sockets receive into and send from (UMEM), divided into frames of one size. Each socket has
 * its own unless you pass one to several sockets, which can then pass packets on without copying them.
 *
 * The memory is a SharedArrayBuffer, which cannot be detached or resized while the kernel uses it. A frame is
 * identified by its offset in the memory, or by the offset of any byte in the frame.
 */
export class XdpMemory {
  /** All frames. */
  readonly bytes: Uint8Array
  /** The same memory. */
  readonly view: DataView
  readonly frames: number
  readonly frameSize: number
  readonly headroom: number
  /** Whether there is room for metadata in front of packets that are sent. */
  readonly txMetadata: boolean
  /** @internal */
  readonly sent: SentFrames
  readonly #handle: UmemHandle

  static {
    umems.register((object) => (#handle in object ? object.#handle : undefined))
  }

  /**
   * @throws RangeError if there are more than 4 GiB, or less than 64 frames
   */
  constructor({
    frames = 4096,
    frameSize = 2048,
    headroom = 0,
    txMetadata = false,
    txSwCsum = false,
  }: XdpMemoryOptions = {}) {
    if (frameSize !== 2048 && frameSize !== 4096) throw new RangeError('frameSize is not 2048 or 4096')
    if (!Number.isInteger(frames)) throw new TypeError('frames is not a whole number')
    if (frames < 64 || frames * frameSize >= 2 ** 32)
      throw new RangeError(`frames is not between 64 and ${2 ** 32 / frameSize - 1}`)
    if (!Number.isInteger(headroom)) throw new TypeError('headroom is not a whole number of bytes')
    if (headroom < 0 || headroom >= frameSize - programHeadroom)
      throw new RangeError(`headroom is not between 0 and ${frameSize - programHeadroom - 1} bytes`)
    const size = frames * frameSize
    const buffer = new SharedArrayBuffer(size + largestPage)
    // The kernel wants whole pages.
    const start = native.umemPadding(new Uint8Array(buffer))
    this.bytes = new Uint8Array(buffer, start, size)
    this.view = new DataView(buffer, start, size)
    this.frames = frames
    this.frameSize = frameSize
    this.headroom = headroom
    this.txMetadata = txMetadata || txSwCsum
    const flags = (this.txMetadata ? umemFlags.txMetadata : 0) | (txSwCsum ? umemFlags.txSwCsum : 0)
    this.#handle = native.umemNew(this.bytes, frameSize, headroom, flags)
    this.sent = new SentFrames(this, this.#handle)
  }

  /**
   * Takes a free frame, which is yours until you send or release it. Returns where a packet may begin in it;
   * `undefined` if no frame is free.
   */
  take(): number | undefined {
    return native.umemTake(this.#handle)
  }

  /**
   * Gives back a frame that you have kept or taken.
   *
   * @param offset - the offset of any byte in the frame
   * @throws BpfError ERR_BPF_STATE if you do not have it: it was released or sent before
   */
  release(offset: number): void {
    const released = attempt({ what: 'release a frame', arguments: ['memory', 'offset'] }, () =>
      native.umemRelease(this.#handle, offset),
    )
    if (!released) throw notHeld('release', offset)
  }

  /** How many frames are where. It takes time for each frame, so do not read it for every packet. */
  get counts(): XdpFrames {
    return native.umemCounts(this.#handle)
  }
}

export function notHeld(verb: string, offset: number): BpfError {
  return new BpfError(
    `${verb} the frame at ${offset}: you do not have it, or it was released or sent before`,
    {
      code: 'ERR_BPF_STATE',
    },
  )
}
