import { constants } from 'node:os'
import { type Interface, interfaceIndex } from '../attach/interface.js'
import type { XdpLink, XdpMode } from '../attach/xdp.js'
import { BpfError } from '../errors/errors.js'
import { kernelIsOlderThan } from '../machine/kernel-version.js'
import type { BpfMap } from '../maps/map.js'
import { BpfObject } from '../objects/object.js'
import type { Program } from '../programs/program.js'
import { redirectObject, type XdpFilter, type XdpTimestamps } from './filter.js'

const BPF_F_XDP_DEV_BOUND_ONLY = 1 << 6

export interface XdpRedirectOptions {
  /** Which packets are redirected: those that match any of these; by default all, see {@link XdpSocketOptions.filter}. */
  filter?: XdpFilter | readonly XdpFilter[]
  /** Uses only this mode; by default native is tried first, then generic. */
  mode?: XdpMode
  /** Also redirects packets that lie in several buffers, such as jumbo frames. (Linux 6.6) */
  multiBuffer?: boolean
  /** Writes the arrival time of each packet in front of it, for {@link XdpBatch.timestamp}. (`device`: Linux 6.3) */
  timestamps?: XdpTimestamps
}

/** Something with the descriptor of an AF_XDP socket. */
export interface HasDescriptor {
  readonly fd: number
}

/**
 * An XDP program of ours on an interface. Packets that match a filter go to the AF_XDP socket of the queue that they
 * arrive at. All others go on to the kernel, and so do those of queues that have no socket.
 *
 * An {@link XdpSocket} makes its own unless you tell it otherwise. Make one yourself for several sockets of one
 * interface: only one program can be attached to it.
 */
export class XdpRedirect implements Disposable {
  readonly interface: Interface
  readonly program: Program
  readonly link: XdpLink
  /** The `xskmap` with the socket of each queue, for Workers: `BpfMap.fromId(redirect.map.id)`. */
  readonly map: BpfMap<number, HasDescriptor>
  readonly timestamps: XdpTimestamps | undefined
  readonly #object: BpfObject

  /**
   * Loads and attaches the program.
   *
   * @throws BpfError EBUSY if a program is attached already
   * @throws TypeError, RangeError if a filter has an unknown member, or a number that is too large
   */
  constructor(
    on: Interface,
    { filter = [], mode, multiBuffer = false, timestamps }: XdpRedirectOptions = {},
  ) {
    const filters = Array.isArray(filter) ? (filter as readonly XdpFilter[]) : [filter as XdpFilter]
    this.interface = on
    this.timestamps = expectTimestamps(timestamps)
    this.#object = BpfObject.open(redirectObject(filters, { multiBuffer, timestamps }), { name: 'redirect' })
    try {
      if (timestamps === 'device') bindToDevice(this.#object.program('redirect'), on)
      this.#object.loadSync()
      this.program = this.#object.program('redirect')
      this.link = this.program.attachXdp(on, mode === undefined ? {} : { mode })
      this.map = this.#object.map<number, HasDescriptor>('sockets')
    } catch (error) {
      this.#object.close()
      throw error
    }
  }

  /** Makes a socket receive what arrives at a queue. It is removed from the map automatically when it is closed. */
  set(queue: number, socket: HasDescriptor): void {
    this.map.set(queue, socket)
  }

  /** Detaches the program: all packets go to the kernel again. You can close it twice. */
  close(): void {
    this.#object.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Only programs that are bound to a device may ask the device for its time. */
function bindToDevice(program: Program, on: Interface): void {
  if (kernelIsOlderThan('6.3'))
    throw new BpfError(`XDP of '${on}': timestamps of the device require Linux 6.3 (ENOTSUP)`, {
      code: 'ENOTSUP',
      errno: constants.errno.ENOTSUP,
      target: String(on),
    })
  program.flags |= BPF_F_XDP_DEV_BOUND_ONLY
  program.setIfindex(interfaceIndex(on))
}

/** @internal */
export function expectTimestamps(timestamps: XdpTimestamps | undefined): XdpTimestamps | undefined {
  if (timestamps === undefined || timestamps === 'kernel' || timestamps === 'device') return timestamps
  throw new TypeError(`timestamps is not 'kernel' or 'device'`)
}
