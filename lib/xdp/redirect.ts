import type { Interface } from '../attach/interface.js'
import type { XdpLink, XdpMode } from '../attach/xdp.js'
import type { BpfMap } from '../maps/map.js'
import { BpfObject } from '../objects/object.js'
import type { Program } from '../programs/program.js'
import { redirectObject, type XdpFilter } from './filter.js'

export interface XdpRedirectOptions {
  /** Which packets are redirected: those that match any of these; all by default. */
  filter?: XdpFilter | readonly XdpFilter[]
  /** Uses only this mode; by default native is tried first, then generic. */
  mode?: XdpMode
  /** Also redirects packets that lie in several buffers, such as jumbo frames. (Linux 6.6) */
  multiBuffer?: boolean
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
  readonly #object: BpfObject

  /**
   * Loads and attaches the program.
   *
   * @throws BpfError EBUSY if a program is attached already
   * @throws TypeError, RangeError for a filter that does not exist
   */
  constructor(on: Interface, { filter = [], mode, multiBuffer = false }: XdpRedirectOptions = {}) {
    const filters = Array.isArray(filter) ? (filter as readonly XdpFilter[]) : [filter as XdpFilter]
    this.interface = on
    this.#object = BpfObject.open(redirectObject(filters, multiBuffer), { name: 'redirect' })
    try {
      this.#object.loadSync()
      this.program = this.#object.program('redirect')
      this.link = this.program.attachXdp(on, mode === undefined ? {} : { mode })
      this.map = this.#object.map<number, HasDescriptor>('sockets')
    } catch (error) {
      this.#object.close()
      throw error
    }
  }

  /** Makes a socket receive what arrives at a queue. It leaves the map by itself when it is closed. */
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
