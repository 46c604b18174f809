import type { Interface } from '../attach/interface.js'
import type { Program } from '../programs/program.js'
import { type XdpAttachOptions, XdpDispatcher, type XdpDispatcherOptions } from './dispatcher.js'

export interface OnXdpOptions extends XdpAttachOptions, XdpDispatcherOptions {
  /** Runs in the driver, before the kernel's network stack. */
  kind: 'xdp'
  /** Programs with lower priorities run first: 1 to 65535, 100 by default. */
  priority?: number
}

/** An XDP program that gets the packets of an interface together with others, see {@link onPacket}. */
export interface XdpPacketHook extends AsyncDisposable {
  readonly interface: Interface
  readonly direction: 'ingress'
  readonly priority: number
  readonly kind: 'xdp'
  /** The ids of all programs that run there, including those of others, in the order in which they run. */
  order(): number[]
  /** Detaches the program. You can close it twice. */
  close(): Promise<void>
}

/** Loads an XDP program and adds it to the dispatcher of an interface. @internal */
export async function onXdp(
  on: Interface,
  program: Program,
  { kind, priority = 100, chain, ...options }: OnXdpOptions,
): Promise<XdpPacketHook> {
  const dispatcher = new XdpDispatcher(on, options)
  const id = await dispatcher.attach(program, { priority, ...(chain && { chain }) })
  let closing: Promise<void> | undefined
  // If the interface was deleted, only pins are left.
  const detach = async (): Promise<void> => {
    if (!(await dispatcher.detach(id))) await dispatcher.clean()
  }
  const close = (): Promise<void> => {
    closing ??= detach().catch((error: unknown) => {
      // So that closing can be tried again.
      closing = undefined
      throw error
    })
    return closing
  }
  return Object.freeze({
    interface: on,
    direction: 'ingress' as const,
    priority,
    kind,
    order: () => dispatcher.state()?.programs.map((one) => one.id) ?? [],
    close,
    [Symbol.asyncDispose]: close,
  })
}
