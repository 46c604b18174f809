// AF_XDP sockets.
import type { NativeError, UmemHandle, XskHandle } from './handles.js'

/** How many frames are in each state. */
export interface FrameCounts {
  free: number
  receiving: number
  inBatch: number
  held: number
  sending: number
}

export interface XskStatistics {
  /** `struct xdp_statistics` of linux/if_xdp.h. */
  rxDropped: bigint
  rxInvalid: bigint
  txInvalid: bigint
  rxRingFull: bigint
  fillRingEmpty: bigint
  txRingEmpty: bigint
  /** Frames that the kernel took for sending and then dropped. */
  txDropped: bigint
  /** Packets of batches that were dropped because there was no room in the tx ring. */
  txRingFull: bigint
  /** Frames in the tx ring that the kernel has not taken yet. */
  unsent: number
}

export interface XdpBinding {
  // ---- the memory of AF_XDP sockets: binding/xsk_umem.cc

  /** How many bytes of the memory are before the first start of a page. */
  umemPadding(memory: Uint8Array): number
  /**
   * Divides memory into frames of `frameSize` bytes, a power of two from 1024 to 65536. It must be in a
   * SharedArrayBuffer, and is kept alive by the handle. Native code never reads or writes a frame. `flags` are
   * XDP_UMEM_TX_SW_CSUM (2) and XDP_UMEM_TX_METADATA_LEN (4), with which 24 bytes are free in front of each packet that
   * is sent, for `struct xsk_tx_metadata`.
   */
  umemNew(memory: Uint8Array, frameSize: number, headroom: number, flags: number): UmemHandle
  /** Where a packet may begin in a free frame, which is held from now on; undefined if there is none. */
  umemTake(umem: UmemHandle): number | undefined
  /** Frees the frame that the offset is in. False if it was not held. */
  umemRelease(umem: UmemHandle, offset: number): boolean
  /** A frame that was sent with the flag 2 of `xskSend`, and is held from now on; undefined if there is none. */
  umemSent(umem: UmemHandle): number | undefined
  /** How many frames are in each state. */
  umemCounts(umem: UmemHandle): FrameCounts

  // ---- AF_XDP sockets: binding/xsk.cc

  /**
   * Opens a socket and binds it to a queue of an interface. Sizes are numbers of entries, powers of two; `rxSize` or
   * `txSize` is 0 for a socket that does not receive or send. Further sockets of the same memory share it, and have the
   * flags of the first one. `batch` is memory for the descriptions of `n` frames, at least 32, in a SharedArrayBuffer: n
   * u32 offsets, n u32 lengths, n bytes with decisions (0 drop, 1 send, 2 keep), n bytes with flags (1: the same packet
   * continues in the next frame). The event loop calls `onReady`, which is held weakly, see `xskWatch`. The `operation`
   * of an error is the socket option, or `socket` or `bind`.
   */
  xskNew(
    umem: UmemHandle,
    ifindex: number,
    queue: number,
    rxSize: number,
    txSize: number,
    fillSize: number,
    completionSize: number,
    flags: number,
    busyPollUs: number,
    busyPollBudget: number,
    batch: Uint8Array,
    onReady: (what: number, refused?: NativeError) => void,
  ): XskHandle
  xskFd(socket: XskHandle): number
  /**
   * Describes received frames in the batch memory, with the decision to drop them, and returns how many. Fragments of
   * one packet are in one batch. If an earlier batch was not finished, it is finished first.
   */
  xskReceive(socket: XskHandle): number
  /** Carries out the decisions of the batch. The first frame of a packet decides for all. */
  xskFinish(socket: XskHandle): void
  /**
   * Puts a held frame into the tx ring. False if that is full, undefined if the frame is not held. Flags: 1 if there is
   * metadata in front of the packet, 2 if `umemSent` should return the frame once it has been sent.
   */
  xskSend(socket: XskHandle, offset: number, length: number, flags: number): boolean | undefined
  /** The same for a packet in several frames: u32 numbers in the machine's byte order, 1 to 32 of each. */
  xskSendParts(socket: XskHandle, offsets: Uint8Array, lengths: Uint8Array): boolean | undefined
  /** Makes the kernel send what is in the tx ring, and reclaims frames that were sent. */
  xskKick(socket: XskHandle): void
  /** Reclaims frames that were sent. */
  xskReap(socket: XskHandle): void
  /**
   * Makes the event loop look for packets as soon as the kernel reports some, or every `intervalMs` milliseconds if
   * that is not 0, and calls `onReady` with 0. With `delivers`, it receives them like `xskReceive` instead, calls
   * `onReady` with their number, and carries out the decisions of the batch when that returns, before any microtask. If
   * the kernel then refuses to send, it calls `onReady` with 0 and the error. Every 250 ms it reads SO_ERROR, and calls
   * `onReady` with a negative errno if the socket has failed, such as -ENETDOWN for an interface that was deleted. Does
   * not keep the process alive.
   */
  xskWatch(socket: XskHandle, intervalMs: number, delivers: boolean): void
  /** Undoes `xskWatch`. */
  xskStop(socket: XskHandle): void
  /** XDP_STATISTICS, and what native code has counted itself. */
  xskStatistics(socket: XskHandle): XskStatistics
  /** XDP_OPTIONS: whether the driver receives into the memory itself. */
  xskZeroCopy(socket: XskHandle): boolean
  /** Can be called more than once, and from inside of `onReady`. Frames that the socket had become free. */
  xskClose(socket: XskHandle): void
}
