import { clearTimeout, setTimeout } from 'node:timers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NativeError, XskHandle } from '../../types/binding.js'
import { type Interface, interfaceIndex } from '../attach/interface.js'
import type { XdpMode } from '../attach/xdp.js'
import { isBytes } from '../btf/bytes.js'
import { attempt } from '../errors/attempt.js'
import { errnoName } from '../errors/errno.js'
import { BpfError } from '../errors/errors.js'
import { holdProcess, setInUse } from '../events/in-use.js'
import type { Iteration } from '../events/iteration.js'
import type { BpfMap } from '../maps/map.js'
import { native } from '../native/binding.js'
import { XdpBatch } from './batch.js'
import type { XdpFilter, XdpTimestamps } from './filter.js'
import { PacketIteration, type Reader } from './iteration.js'
import { notHeld, umems, XdpMemory, type XdpMemoryOptions } from './memory.js'
import { expectTimestamps, XdpRedirect } from './redirect.js'
import { whyNoSocket } from './refusal.js'
import {
  expectTxMetadata,
  sendFlags,
  txMetadataSize,
  writeTxMetadata,
  type XdpTxMetadata,
} from './tx-metadata.js'

export interface XdpSocketOptions extends Omit<XdpMemoryOptions, 'headroom'> {
  /** The queue of the interface; 0 by default. Packets of other queues do not arrive here. */
  queue?: number
  /** Memory that the socket shares with others; by default it has its own, made with the other options for memory. */
  memory?: XdpMemory
  /**
   * How packets get to the socket. By default, a program of ours is attached to the interface and redirects those that
   * match `filter`. Pass an {@link XdpRedirect} for several sockets of one interface, the `xskmap` of your own program,
   * or `false` if you call `map.set(queue, socket)` yourself, or only send.
   */
  redirect?: XdpRedirect | BpfMap<number, unknown> | BpfMap<Uint8Array, Uint8Array> | false
  /**
   * Which packets our program redirects: those that match any of these. By default all, and then the kernel gets none:
   * existing connections over this interface, such as that of your SSH session, stop.
   */
  filter?: XdpFilter | readonly XdpFilter[]
  /** The XDP mode of our program; by default native is tried first, then generic. */
  mode?: XdpMode
  /**
   * `copy`: the kernel copies packets, which works with every driver. `zero-copy`: the driver receives into the memory
   * itself, or the socket is refused. By default the kernel decides; {@link XdpSocket.zeroCopy} tells.
   */
  copyMode?: 'copy' | 'zero-copy'
  /**
   * Looks for packets at this interval, in milliseconds, instead of waiting for the kernel to wake the reader; 0, the
   * default, turns this off. With many packets, this costs much less, but a packet waits for up to that long.
   */
  interval?: number
  /** How many frames a batch has at most, 256 by default; at least 32. */
  batchSize?: number
  /** Entries of the rx ring, a power of two; 2048 by default. 0 for a socket that only sends. */
  rxSize?: number
  /** Entries of the tx ring, a power of two; 2048 by default. 0 for a socket that only receives. */
  txSize?: number
  /** Entries of the fill ring, a power of two; 2048 by default. */
  fillSize?: number
  /** Entries of the completion ring, a power of two; 2048 by default. */
  completionSize?: number
  /** Receives and sends packets of several frames, such as jumbo frames. (Linux 6.6) */
  multiBuffer?: boolean
  /** Makes our program record when each packet arrived, see {@link XdpBatch.timestamp}. (`device`: Linux 6.3) */
  timestamps?: XdpTimestamps
  /**
   * Lets the kernel poll the device inside of our system calls, for this many microseconds and packets. (Linux 5.11)
   */
  busyPoll?: { microseconds: number; budget?: number }
}

/** What the kernel and the socket have counted since it was opened. */
export interface XdpStatistics {
  /** Packets that were dropped for reasons other than those below. */
  rxDropped: bigint
  /** Packets that were dropped because of a wrong descriptor in the fill ring. */
  rxInvalid: bigint
  /** Packets that were not sent because of a wrong descriptor in the tx ring. */
  txInvalid: bigint
  /** Packets that were dropped because the rx ring was full: they were read too slowly. */
  rxRingFull: bigint
  /** How often there was no frame to receive into: you hold too many, or read too slowly. */
  fillRingEmpty: bigint
  /** How often the driver looked for a frame to send and found none. */
  txRingEmpty: bigint
  /** Frames that the kernel took for sending and then dropped. */
  txDropped: bigint
  /** Packets of batches that were dropped because the tx ring was full. */
  txRingFull: bigint
  /** Frames in the tx ring that the kernel has not taken yet. */
  unsent: number
}

const bindFlags = { copy: 1 << 1, 'zero-copy': 1 << 2, needWakeup: 1 << 3, multiBuffer: 1 << 4 } as const

/** A queue stays busy for up to 25 ms after its socket was closed, and longer on a machine that has much to do. */
const whileBusy = { milliseconds: 1000, pause: 4 }

/**
 * An AF_XDP socket: receives the packets of one queue of an interface before the kernel's network stack sees them, and
 * sends packets past it. (Linux 5.4)
 *
 * Packets are read in place, from memory that the kernel writes to. There are two ways to read; use one at a time:
 *
 * - `socket.drain((batch) => ...)` calls you with batches of frames in place. You can send a frame back, keep it, or drop
 *   it. It is the fastest way.
 * - `for await (const packets of socket.batches())` gives you copies, at the pace of the loop's body.
 *
 * It requires CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF; without CAP_IPC_LOCK, the memory counts against `ulimit -l`.
 */
export class XdpSocket implements Disposable {
  readonly interface: Interface
  readonly queue: number
  readonly memory: XdpMemory
  /** The program that redirects packets to this socket, if the socket has made it. */
  readonly redirect: XdpRedirect | undefined
  readonly #what: string
  readonly #handle: XskHandle
  readonly #batch: XdpBatch
  readonly #interval: number
  readonly #rxSize: number
  readonly #onReady = (what: number, refused?: NativeError): void => {
    if (what > 0) this.#deliver(what)
    else if (what < 0) this.#fail(-what)
    else if (refused === undefined) this.#reader?.wake()
    else this.#end(this.#explain('send', refused))
  }
  #reader: Reader | undefined
  /** The callback of `drain`, if that is the reader. */
  #callback: ((batch: XdpBatch) => void) | undefined
  #waits = false
  #held = true
  #holdsProcess = false
  #inCallback = false
  #willFlush = false
  /** Whether packets were sent whose time is not known yet, and what looks for them. */
  #waitsForTimes = false
  #times: NodeJS.Timeout | undefined
  #closed = false

  /**
   * Opens a socket. Waits for a queue whose last socket was just closed, for up to a second.
   *
   * @throws BpfError EBUSY if the queue has another socket, or the interface another XDP program; ENOBUFS if the memory
   *   is more than may be locked; ENODEV if there is no such interface
   */
  static async open(on: Interface, options: XdpSocketOptions = {}): Promise<XdpSocket> {
    const until = performance.now() + whileBusy.milliseconds
    for (;;) {
      try {
        return new XdpSocket(on, options)
      } catch (error) {
        if (!isQueueBusy(error) || performance.now() > until) throw error
      }
      await sleep(whileBusy.pause)
    }
  }

  /** The same as `open`, but blocks while it waits. */
  static openSync(on: Interface, options: XdpSocketOptions = {}): XdpSocket {
    const until = performance.now() + whileBusy.milliseconds
    for (;;) {
      try {
        return new XdpSocket(on, options)
      } catch (error) {
        if (!isQueueBusy(error) || performance.now() > until) throw error
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, whileBusy.pause)
    }
  }

  /** Use {@link XdpSocket.open}. */
  private constructor(on: Interface, options: XdpSocketOptions) {
    const { queue = 0, interval = 0, batchSize = 256, redirect, busyPoll } = options
    const { rxSize = 2048, txSize = 2048, fillSize = 2048, completionSize = 2048 } = options
    this.interface = on
    this.queue = expectInteger('queue', queue, 0, 2 ** 31 - 1)
    this.#what = `AF_XDP socket of '${on}', queue ${queue}`
    this.#interval = expectInteger('interval', interval, 0, 2 ** 31 - 1)
    expectInteger('batchSize', batchSize, 32, 65536)
    if (rxSize === 0 && txSize === 0) throw new RangeError('rxSize and txSize are both 0')
    this.#rxSize = rxSize
    // A map of another realm, or of another copy of the library, is one, too.
    const isMap = typeof redirect === 'object' && redirect !== null && 'raw' in redirect
    if (redirect !== undefined && redirect !== false && !isMap && !(redirect instanceof XdpRedirect))
      throw new TypeError('redirect is not an XdpRedirect, the xskmap of your own program, or false')
    const { copyMode, multiBuffer = false } = options
    let flags = bindFlags.needWakeup | (multiBuffer ? bindFlags.multiBuffer : 0)
    if (copyMode !== undefined) {
      if (copyMode !== 'copy' && copyMode !== 'zero-copy')
        throw new TypeError(`copyMode is not 'copy' or 'zero-copy'`)
      flags |= bindFlags[copyMode]
    }
    const microseconds = busyPoll === undefined ? 0 : busyPoll.microseconds
    expectInteger('busyPoll.microseconds', microseconds, 0, 2 ** 31 - 1)
    const budget = expectInteger('busyPoll.budget', busyPoll?.budget ?? 64, 1, 65535)
    const ifindex = interfaceIndex(on)
    const ofMemory = memoryOptions(options)
    const [ignored] = Object.keys(ofMemory)
    if (options.memory !== undefined && ignored !== undefined)
      throw new TypeError(`${ignored} is an option of the XdpMemory that you pass: leave it out here`)
    this.memory = options.memory ?? new XdpMemory(ofMemory)
    const umem = umems.of(this.memory)
    const shared = new Uint8Array(new SharedArrayBuffer(batchSize * XdpBatch.bytesPerFrame))
    const { timestamps = redirect instanceof XdpRedirect ? redirect.timestamps : undefined } = options
    this.#batch = new XdpBatch(this.memory, shared, expectTimestamps(timestamps) !== undefined)
    this.#handle = attempt(
      {
        what: this.#what,
        target: String(on),
        arguments: ['memory', 'interface', 'queue', 'rxSize', 'txSize', 'fillSize', 'completionSize'],
        reason: (error) => whyNoSocket(error, this.memory, ifindex, options),
      },
      () =>
        native.xskNew(
          umem,
          ifindex,
          queue,
          rxSize,
          txSize,
          fillSize,
          completionSize,
          flags,
          microseconds,
          budget,
          shared,
          this.#onReady,
        ),
    )
    try {
      if (redirect === undefined && rxSize > 0) {
        const { filter = [], mode } = options
        this.redirect = new XdpRedirect(on, {
          filter,
          multiBuffer,
          ...(mode && { mode }),
          ...(timestamps && { timestamps }),
        })
        this.redirect.set(queue, this)
      } else if (redirect instanceof XdpRedirect) {
        redirect.set(queue, this)
      } else if (redirect) {
        // One that was opened by its id has no types.
        redirect.raw.set(bytesOf(queue), bytesOf(this.fd))
      }
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** The descriptor, for the `xskmap` of your own program. The socket closes it. */
  get fd(): number {
    return this.#do('use', () => native.xskFd(this.#handle))
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Whether the driver receives into the memory itself, instead of the kernel copying packets. */
  get zeroCopy(): boolean {
    return this.#do('read its options', () => native.xskZeroCopy(this.#handle))
  }

  /** What the kernel and the socket have counted. */
  get stats(): XdpStatistics {
    return this.#do('read its statistics', () => native.xskStatistics(this.#handle))
  }

  // ---- Reading

  /**
   * Calls `callback` with batches of received frames, as they arrive. Frames that it does not decide about are dropped.
   * If it throws, the error becomes an uncaught exception, the decisions that it has made are carried out, and the
   * following packets are still delivered. The process stays alive until {@link stop}, {@link close} or {@link unref}.
   *
   * If the interface is deleted, reading ends with an uncaught BpfError ENETDOWN.
   */
  drain(callback: (batch: XdpBatch) => void): this {
    if (typeof callback !== 'function') throw new TypeError('callback is not a function')
    this.#begin({
      // Native code receives first, and delivers batches.
      wake: () => {},
      end: (error) => {
        if (error !== undefined) throwUncaught(error)
      },
    })
    this.#callback = callback
    this.#watch(true)
    return this
  }

  /**
   * Calls `callback` with the frames that are there now, without waiting for the event loop.
   *
   * @returns how many frames there were
   * @throws whatever the callback throws; BpfError ERR_BPF_BUSY inside of a callback
   */
  consume(callback: (batch: XdpBatch) => void): number {
    this.#expectOpen('read')
    if (typeof callback !== 'function') throw new TypeError('callback is not a function')
    let frames = 0
    // More may arrive meanwhile.
    while (frames < this.#rxSize && !this.#closed) {
      const count = this.#receive()
      if (count === 0) break
      frames += count
      this.#give(callback, count)
    }
    return frames
  }

  /**
   * Yields copies of the packets that arrive, in arrays, each when you ask for it. Packets wait in the rx ring until
   * then. Ends when the socket is closed or {@link stop} is called, and with BpfError ENETDOWN if the interface is
   * deleted.
   */
  batches(): Iteration<Uint8Array[]> {
    const iteration = new PacketIteration({
      isCurrent: (one) => this.#reader === one,
      read: () => {
        let packets: Uint8Array[] = []
        const count = this.#receive()
        if (count > 0) this.#give((batch) => (packets = batch.copy()), count)
        return packets
      },
      wait: (on) => this.#watch(on),
      stop: () => this.stop(),
    })
    this.#begin(iteration)
    return iteration
  }

  /** Ends `drain` or `batches`. Packets wait in the rx ring until it is full. */
  stop(): void {
    this.#end()
  }

  /** Lets the process end while packets are read. */
  unref(): this {
    this.#held = false
    this.#updateHold()
    return this
  }

  /** Undoes {@link unref}. */
  ref(): this {
    this.#held = true
    this.#updateHold()
    return this
  }

  // ---- Sending

  /**
   * Sends a copy of a packet, from its Ethernet header on. Several packets that are sent in one go cost one system call:
   * the kernel is told after the current callback or microtask, or by {@link flush}.
   *
   * @param metadata - what the kernel or the device does with it (Linux 6.11)
   * @returns false if there is no free frame or no room in the tx ring; try again a little later
   * @throws RangeError if the packet is empty, or longer than a frame
   * @throws BpfError ERR_BPF_STATE if there is metadata, and the memory has no `txMetadata`
   */
  send(packet: Uint8Array, metadata?: XdpTxMetadata): boolean {
    if (!isBytes(packet)) throw new TypeError('packet is not a Uint8Array')
    const { bytes, frameSize, txMetadata } = this.memory
    const most = frameSize - (txMetadata ? txMetadataSize : 0)
    if (packet.length === 0 || packet.length > most)
      throw new RangeError(`packet has ${packet.length} bytes, which is not between 1 and ${most}`)
    if (metadata !== undefined) expectTxMetadata(`${this.#what}: send`, this.memory, metadata, packet.length)
    this.#expectOpen('send')
    let offset = this.memory.take()
    if (offset === undefined) {
      native.xskReap(this.#handle)
      offset = this.memory.take()
      if (offset === undefined) return false
    }
    bytes.set(packet, offset)
    if (this.#send(offset, packet.length, metadata)) return true
    this.memory.release(offset)
    return false
  }

  /**
   * Sends a frame that you have, and gives it away. Get one from `memory.take()`, write the packet to `memory.bytes` at
   * that offset, and send it; or keep one of a batch.
   *
   * @param offset - where the packet begins, anywhere in the frame
   * @param length - how many bytes it has
   * @param metadata - what the kernel or the device does with it (Linux 6.11)
   * @returns false if there is no room in the tx ring; you still have the frame
   * @throws BpfError ERR_BPF_STATE if you do not have the frame, or there is metadata, and the memory has no `txMetadata`
   * @throws RangeError if the bytes are not in one frame, with 24 free bytes before them if the memory has `txMetadata`
   */
  sendFrame(offset: number, length: number, metadata?: XdpTxMetadata): boolean {
    if (metadata !== undefined) expectTxMetadata(`${this.#what}: send`, this.memory, metadata, length)
    return this.#send(offset, length, metadata)
  }

  /**
   * Sends a packet that lies in several frames that you have, up to 17 of them, and gives them away. Requires the option
   * `multiBuffer`. (Linux 6.6)
   *
   * @param parts - the offset and the length of each part
   * @returns false if there is no room in the tx ring; you still have the frames
   * @throws BpfError ERR_BPF_STATE if you do not have one of the frames, or one is named twice
   */
  sendFrames(parts: readonly (readonly [offset: number, length: number])[]): boolean {
    if (!Array.isArray(parts) || parts.length === 0) throw new RangeError('parts has no frames')
    const column = (which: 0 | 1): Uint8Array =>
      new Uint8Array(
        Uint32Array.from(parts, (part) => expectInteger('part', part[which], 0, 2 ** 32 - 1)).buffer,
      )
    return this.#sent(parts[0]?.[0] ?? 0, () => native.xskSendParts(this.#handle, column(0), column(1)))
  }

  /**
   * Gives back a frame that you have kept or taken.
   *
   * @throws BpfError ERR_BPF_STATE if you do not have it: it was released or sent before
   */
  release(offset: number): void {
    this.memory.release(offset)
  }

  /**
   * Makes the kernel send what {@link send} has written now, and not after the current callback.
   *
   * @throws BpfError ENXIO if the interface was deleted
   */
  flush(): void {
    this.#do('send', () => native.xskKick(this.#handle))
    if (this.#waitsForTimes) this.#collectTimes()
  }

  /**
   * Closes the socket, and the program that it has attached. Its frames become free, except for those that you hold. You
   * can close it twice, also in a callback.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#end()
    this.#endBatch()
    native.xskClose(this.#handle)
    clearTimeout(this.#times)
    if (this.#waitsForTimes) this.memory.sent.end(this)
    this.redirect?.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  // ---- Inside

  #receive(): number {
    if (this.#inCallback) {
      throw new BpfError(`${this.#what}: read: its callback is running`, { code: 'ERR_BPF_BUSY' })
    }
    this.#expectOpen('read')
    return native.xskReceive(this.#handle)
  }

  /** Gives a batch to the callback and carries out what it decides, also if it throws. */
  #give(callback: (batch: XdpBatch) => void, count: number): void {
    const batch = this.#batch
    batch.length = count
    this.#inCallback = true
    try {
      callback(batch)
    } finally {
      this.#inCallback = false
      this.#endBatch()
      // The callback may have closed the socket.
      if (!this.#closed) this.#do('send', () => native.xskFinish(this.#handle))
    }
  }

  /** For the event loop. Native code carries out what the callback decides when this returns. */
  #deliver(count: number): void {
    const batch = this.#batch
    batch.length = count
    this.#inCallback = true
    try {
      this.#callback?.(batch)
    } catch (error) {
      throwUncaught(error)
    }
    this.#inCallback = false
    this.#endBatch()
  }

  /** Before native code carries out the decisions. */
  #endBatch(): void {
    const asked = this.#batch.end()
    if (asked === undefined) return
    for (const [offset, callback] of asked) this.memory.sent.add(this, offset, callback)
    this.#waitsForTimes = true
    queueMicrotask(() => {
      if (!this.#closed) this.#collectTimes()
    })
  }

  #send(offset: number, length: number, metadata?: XdpTxMetadata): boolean {
    if (metadata === undefined)
      return this.#sent(offset, () => native.xskSend(this.#handle, offset, length, 0))
    const { txTimestamp } = metadata
    const flags = sendFlags.metadata | (txTimestamp ? sendFlags.stamped : 0)
    const sent = this.#sent(offset, () => native.xskSend(this.#handle, offset, length, flags))
    // The kernel does not read it before it is told.
    if (sent) writeTxMetadata(this.memory.view, offset, metadata)
    if (sent && txTimestamp) {
      this.memory.sent.add(this, offset, txTimestamp)
      this.#waitsForTimes = true
    }
    return sent
  }

  /** Calls back with the times of packets that were sent, and looks again while there are others. */
  #collectTimes(pause = 1): void {
    clearTimeout(this.#times)
    this.#waitsForTimes = this.memory.sent.collect(this)
    if (!this.#waitsForTimes) return
    this.#times = setTimeout(() => {
      native.xskReap(this.#handle)
      this.#collectTimes(Math.min(2 * pause, 64))
    }, pause)
    if (!this.#held) this.#times.unref()
  }

  #sent(offset: number, call: () => boolean | undefined): boolean {
    const subject = {
      what: `${this.#what}: send`,
      target: String(this.interface),
      arguments: ['socket', 'offset', 'length'],
    }
    const sent = attempt(subject, call)
    if (sent === undefined) throw notHeld('send', offset)
    // Packets that are sent in one go cost one system call.
    if (sent && !this.#willFlush) {
      this.#willFlush = true
      queueMicrotask(() => {
        this.#willFlush = false
        if (!this.#closed) this.#flushLater()
      })
    }
    return sent
  }

  #flushLater(): void {
    try {
      native.xskKick(this.#handle)
      if (this.#waitsForTimes) this.#collectTimes()
    } catch (error) {
      // Unless someone reads, there is no one to report this to. The next call of flush() reports it.
      this.#end(this.#explain('send', error))
    }
  }

  #begin(reader: Reader): void {
    this.#expectOpen('read')
    if (this.#reader !== undefined) {
      throw new BpfError(
        `${this.#what} is being read already: use only one of drain() and batches() at a time, and call stop() before you switch`,
        { code: 'ERR_BPF_STATE' },
      )
    }
    this.#reader = reader
  }

  #end(error?: BpfError): void {
    const reader = this.#reader
    this.#reader = undefined
    this.#callback = undefined
    this.#watch(false)
    reader?.end(error)
  }

  #watch(on: boolean): void {
    if (on === this.#waits) return
    this.#waits = on
    setInUse(this, on)
    this.#updateHold()
    if (on) {
      const delivers = this.#callback !== undefined
      this.#do('wait', () => native.xskWatch(this.#handle, this.#interval, delivers))
    } else {
      native.xskStop(this.#handle)
    }
  }

  #fail(errno: number): void {
    const code = errnoName(errno)
    const why = code === 'ENETDOWN' ? 'the interface was deleted' : 'the socket has failed'
    const target = String(this.interface)
    this.#end(new BpfError(`${this.#what}: ${why} (${code})`, { code, errno, operation: 'SO_ERROR', target }))
  }

  #updateHold(): void {
    const holds = this.#waits && this.#held
    if (holds !== this.#holdsProcess) holdProcess(holds)
    this.#holdsProcess = holds
  }

  #expectOpen(what: string): void {
    if (this.#closed) throw new BpfError(`${this.#what}: ${what}: it is closed`, { code: 'ERR_BPF_CLOSED' })
  }

  #do<T>(what: string, call: () => T): T {
    this.#expectOpen(what)
    try {
      return call()
    } catch (error) {
      throw this.#explain(what, error)
    }
  }

  #explain(what: string, error: unknown): BpfError {
    const reason = ({ errno }: NativeError): string | undefined =>
      errnoName(errno) === 'ENXIO' ? 'the interface was deleted' : undefined
    try {
      return attempt({ what: `${this.#what}: ${what}`, target: String(this.interface), reason }, () => {
        throw error
      })
    } catch (explained) {
      return explained as BpfError
    }
  }
}

function memoryOptions(options: XdpSocketOptions): XdpMemoryOptions {
  const { frames, frameSize, txMetadata, txSwCsum } = options
  return {
    ...(frames !== undefined && { frames }),
    ...(frameSize !== undefined && { frameSize }),
    ...(txMetadata !== undefined && { txMetadata }),
    ...(txSwCsum !== undefined && { txSwCsum }),
  }
}

const bytesOf = (number: number): Uint8Array => new Uint8Array(Uint32Array.of(number).buffer)

function isQueueBusy(error: unknown): boolean {
  return error instanceof BpfError && error.code === 'EBUSY' && error.operation === 'bind'
}

function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

function expectInteger(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value)) throw new TypeError(`${name} is not a whole number`)
  if (value < least || value > most) throw new RangeError(`${name} is not between ${least} and ${most}`)
  return value
}
